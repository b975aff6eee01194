// @anthropic-ai/sdk: Messages, with the helpers for streams and for tools, thinking, and counting.

import assert from "node:assert/strict";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import * as scene from "./scene.mjs";
import { client } from "./setup.mjs";

const hello = [{ role: "user", content: scene.HELLO }];
const asked = [{ role: "user", content: scene.WEATHER }];
const tools_ = [{ name: "weather", description: scene.DESCRIPTION, input_schema: scene.PARAMETERS }];

function textOf(message) {
  return message.content.map((block) => block.text ?? "").join("");
}

async function whole(model) {
  const done = await client.messages.create({ model, max_tokens: 2000, messages: hello });
  scene.hello(model, textOf(done));
  scene.counted(done.usage.input_tokens, done.usage.output_tokens);
}

async function streamed(model) {
  const stream = client.messages.stream({ model, max_tokens: 2000, messages: hello });
  scene.hello(model, await stream.finalText());
  const { usage } = await stream.finalMessage();
  scene.counted(usage.input_tokens, usage.output_tokens);
}

async function tools(model) {
  const named = { model, max_tokens: 2000, tools: tools_ };
  const done = await client.messages.create({ ...named, messages: asked });
  const [call] = done.content.filter((block) => block.type === "tool_use");
  scene.weather(call.input);
  const result = { type: "tool_result", tool_use_id: call.id, content: scene.RAIN };
  const back = [...asked, { role: "assistant", content: done.content }, { role: "user", content: [result] }];
  assert.ok(textOf(await client.messages.create({ ...named, messages: back })));
}

async function toolsStreamed(model) {
  const stream = client.messages.stream({ model, max_tokens: 2000, messages: asked, tools: tools_ });
  const { content } = await stream.finalMessage();
  scene.weather(content.find((block) => block.type === "tool_use").input);
}

// The SDK's own loop: it calls the function and sends back what it returns, until the model is done.
async function toolRunner(model) {
  const seen = [];
  const run = (given) => seen.push(given) && scene.RAIN;
  const tool = betaTool({ name: "weather", description: scene.DESCRIPTION, inputSchema: scene.PARAMETERS, run });
  const done = await client.beta.messages.toolRunner({ model, max_tokens: 2000, messages: asked, tools: [tool] });
  assert.ok(textOf(done));
  assert.equal(seen.length, 1);
  scene.weather(seen[0]);
}

async function thinking(model) {
  const named = { model, max_tokens: 4000, thinking: { type: "enabled", budget_tokens: 1024 } };
  const done = await client.messages.create({ ...named, messages: asked });
  assert.ok(done.content[0].thinking);
  const back = [...asked, { role: "assistant", content: done.content }, { role: "user", content: "Why?" }];
  const after = await client.messages.stream({ ...named, messages: back }).finalMessage();
  assert.ok(after.content[0].thinking);
  assert.ok(textOf(after));
}

async function countTokens(model) {
  assert.ok((await client.messages.countTokens({ model, messages: hello })).input_tokens > 0);
}

const features = [whole, streamed, tools, toolsStreamed, toolRunner, thinking, countTokens];
await scene.report("@anthropic-ai/sdk", "Messages", features);
