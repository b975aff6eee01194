// OpenAI's SDK for JavaScript. `OPENAI_BASE_URL` and `OPENAI_API_KEY` do without the arguments; `/v1` works too.

import OpenAI from "openai";

export const client = new OpenAI({
  baseURL: `${process.env.TOLLWAY_URL}/api/v1`,
  apiKey: process.env.TOLLWAY_KEY,
});
