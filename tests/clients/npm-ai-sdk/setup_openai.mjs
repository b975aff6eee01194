// `@ai-sdk/openai`: `provider.chat(model)` speaks chat completions, and `provider(model)` Responses. Nothing is stored
// here, so the latter needs `providerOptions: { openai: { store: false } }` with each request.

import { createOpenAI } from "@ai-sdk/openai";

export const provider = createOpenAI({
  baseURL: `${process.env.TOLLWAY_URL}/v1`,
  apiKey: process.env.TOLLWAY_KEY,
});
