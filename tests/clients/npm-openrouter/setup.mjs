// OpenRouter's SDK for TypeScript.

import { OpenRouter } from "@openrouter/sdk";

export const client = new OpenRouter({
  serverURL: `${process.env.TOLLWAY_URL}/api/v1`,
  apiKey: process.env.TOLLWAY_KEY,
});
