// ai with @openrouter/ai-sdk-provider: chat completions, thoughts, and the cost.

import assert from "node:assert/strict";
import { generateText } from "ai";
import { features } from "./features.mjs";
import * as scene from "./scene.mjs";
import { provider } from "./setup_openrouter.mjs";

async function thinking(model) {
  const asked = { role: "user", content: scene.WEATHER };
  const named = { model: provider(model, { reasoning: { effort: "low" } }) };
  const done = await generateText({ ...named, messages: [asked] });
  assert.ok(done.reasoningText);
  const back = [asked, ...done.response.messages, { role: "user", content: "Why?" }];
  assert.ok((await generateText({ ...named, messages: back })).text);
}

async function cost(model) {
  const { providerMetadata } = await generateText({ model: provider(model), prompt: scene.HELLO });
  assert.ok(providerMetadata.openrouter.usage.cost > 0);
  assert.ok(providerMetadata.openrouter.provider);
}

await scene.report("@openrouter/ai-sdk-provider", "chat", [...features(provider), thinking, cost]);
