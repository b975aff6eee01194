// `@openrouter/ai-sdk-provider`: chat completions, as OpenRouter has them.

import { createOpenRouter } from "@openrouter/ai-sdk-provider";

export const provider = createOpenRouter({
  baseURL: `${process.env.TOLLWAY_URL}/api/v1`,
  apiKey: process.env.TOLLWAY_KEY,
});
