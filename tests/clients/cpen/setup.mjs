// CPEN's own page, `page.txt`, whose samples run as they stand with another host and key: OpenAI's SDK, with a `routing`
// block beside the usual fields. curl needs no setup.

import OpenAI from "openai";

export const client = new OpenAI({
  baseURL: `${process.env.TOLLWAY_URL}/v1`,
  apiKey: process.env.TOLLWAY_KEY,
});
