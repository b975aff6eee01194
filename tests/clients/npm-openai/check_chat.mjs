// openai for JavaScript: chat completions, with the helpers for streams and for tools.

import assert from "node:assert/strict";
import * as scene from "./scene.mjs";
import { client } from "./setup.mjs";

const hello = [{ role: "user", content: scene.HELLO }];
const asked = [{ role: "user", content: scene.WEATHER }];
const offered = { name: "weather", description: scene.DESCRIPTION, parameters: scene.PARAMETERS };
const tools_ = [{ type: "function", function: offered }];

function counted(usage) {
  scene.counted(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens);
}

async function whole(model) {
  const done = await client.chat.completions.create({ model, messages: hello });
  scene.hello(model, done.choices[0].message.content);
  counted(done.usage);
}

async function streamed(model) {
  const stream = client.chat.completions.stream({ model, messages: hello, stream_options: { include_usage: true } });
  scene.hello(model, await stream.finalContent());
  counted(await stream.totalUsage());
}

async function tools(model) {
  const done = await client.chat.completions.create({ model, messages: asked, tools: tools_ });
  const { message } = done.choices[0];
  assert.equal(message.tool_calls.length, 1);
  scene.weather(message.tool_calls[0].function.arguments);
  const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: scene.RAIN };
  const after = await client.chat.completions.create({ model, messages: [...asked, message, result], tools: tools_ });
  assert.ok(after.choices[0].message.content);
}

async function toolsStreamed(model) {
  const stream = client.chat.completions.stream({ model, messages: asked, tools: tools_ });
  const call = await stream.finalFunctionToolCall();
  scene.weather(call.arguments);
}

// The SDK's own loop: it calls the function and sends back what it returns, until the model is done.
async function toolRunner(model) {
  const seen = [];
  const call = (given) => seen.push(given) && scene.RAIN;
  const runner = client.chat.completions.runTools({
    model,
    messages: asked,
    tools: [{ type: "function", function: { ...offered, function: call, parse: JSON.parse } }],
  });
  assert.ok(await runner.finalContent());
  assert.equal(seen.length, 1);
  scene.weather(seen[0]);
}

async function structured(model) {
  const schema = { name: "place", strict: true, schema: scene.PARAMETERS };
  const done = await client.chat.completions.parse({
    model,
    messages: asked,
    response_format: { type: "json_schema", json_schema: schema },
  });
  scene.weather(done.choices[0].message.content);
}

async function thinking(model) {
  const done = await client.chat.completions.create({ model, messages: asked, reasoning_effort: "low" });
  assert.ok(done.choices[0].message.reasoning);
}

async function embeddings(model) {
  const done = await client.embeddings.create({ model, input: [scene.HELLO, scene.WEATHER] });
  assert.deepEqual(done.data.map((each) => each.embedding.length > 1), [true, true]);
}
embeddings.models = scene.EMBEDDERS;

const features = [whole, streamed, tools, toolsStreamed, toolRunner, structured, thinking, embeddings];
await scene.report("openai", "chat", features);
