// openai for JavaScript: Responses.

import assert from "node:assert/strict";
import * as scene from "./scene.mjs";
import { client } from "./setup.mjs";

const asked = [{ role: "user", content: scene.WEATHER }];
const tools_ = [{ type: "function", name: "weather", parameters: scene.PARAMETERS, strict: true }];

function counted(usage) {
  scene.counted(usage.input_tokens, usage.output_tokens, usage.total_tokens);
}

async function whole(model) {
  const done = await client.responses.create({ model, input: scene.HELLO });
  scene.hello(model, done.output_text);
  counted(done.usage);
}

async function streamed(model) {
  const stream = client.responses.stream({ model, input: scene.HELLO });
  const events = await scene.collect(stream);
  const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
  scene.hello(model, pieces.join(""));
  counted((await stream.finalResponse()).usage);
}

async function tools(model) {
  const done = await client.responses.create({ model, input: asked, tools: tools_ });
  const [call] = done.output.filter((item) => item.type === "function_call");
  scene.weather(call.arguments);
  const result = { type: "function_call_output", call_id: call.call_id, output: scene.RAIN };
  const after = await client.responses.create({ model, input: [...asked, ...done.output, result], tools: tools_ });
  assert.ok(after.output_text);
}

async function toolsStreamed(model) {
  const stream = client.responses.stream({ model, input: asked, tools: tools_ });
  const { output } = await stream.finalResponse();
  scene.weather(output.find((item) => item.type === "function_call").arguments);
}

async function structured(model) {
  const format = { type: "json_schema", name: "place", strict: true, schema: scene.PARAMETERS };
  scene.weather((await client.responses.parse({ model, input: asked, text: { format } })).output_text);
}

async function thinking(model) {
  const reasoning = { effort: "low", summary: "auto" };
  const done = await client.responses.create({ model, input: asked, reasoning });
  const thoughts = done.output.filter((item) => item.type === "reasoning");
  assert.ok(thoughts.some((item) => item.summary.length > 0 || item.content.length > 0));
  const back = [...asked, ...done.output, { role: "user", content: "Why?" }];
  assert.ok((await client.responses.create({ model, input: back })).output_text);
}

await scene.report("openai", "Responses", [whole, streamed, tools, toolsStreamed, structured, thinking]);
