// Anthropic's SDK for JavaScript. `ANTHROPIC_BASE_URL` and `ANTHROPIC_AUTH_TOKEN` do without the arguments.

import Anthropic from "@anthropic-ai/sdk";

export const client = new Anthropic({
  baseURL: `${process.env.TOLLWAY_URL}/api`,
  apiKey: process.env.TOLLWAY_KEY,
});
