// What the AI SDK does, whichever provider its models come from.

import assert from "node:assert/strict";
import { generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";
import * as scene from "./scene.mjs";

const inputSchema = z.object({ city: z.string(), days: z.number().int() });
const weather = tool({ description: scene.DESCRIPTION, inputSchema });

function counted(usage) {
  scene.counted(usage.inputTokens, usage.outputTokens, usage.totalTokens);
}

// The features, for the models that `make` makes of their names. `providerOptions` go with each request.
export function features(make, providerOptions = {}) {
  async function whole(model) {
    const done = await generateText({ model: make(model), prompt: scene.HELLO, providerOptions });
    scene.hello(model, done.text);
    assert.equal(done.finishReason, "stop");
    counted(done.usage);
  }

  async function streamed(model) {
    const stream = streamText({ model: make(model), prompt: scene.HELLO, providerOptions });
    scene.hello(model, (await scene.collect(stream.textStream)).join(""));
    counted(await stream.usage);
  }

  // The SDK's own loop: it calls the function and sends back what it returns, until the model is done.
  async function tools(model) {
    const seen = [];
    const execute = (given) => seen.push(given) && scene.RAIN;
    const named = { tools: { weather: { ...weather, execute } }, stopWhen: isStepCount(3) };
    const done = await generateText({ model: make(model), prompt: scene.WEATHER, providerOptions, ...named });
    assert.ok(done.text);
    assert.equal(seen.length, 1);
    scene.weather(seen[0]);
  }

  async function toolsStreamed(model) {
    const stream = streamText({ model: make(model), prompt: scene.WEATHER, providerOptions, tools: { weather } });
    const [call] = await stream.toolCalls;
    scene.weather(call.input);
  }

  async function structured(model) {
    const output = Output.object({ schema: inputSchema });
    const done = await generateText({ model: make(model), prompt: scene.WEATHER, providerOptions, output });
    scene.weather(done.output);
  }

  async function conversation(model) {
    const asked = { role: "user", content: scene.WEATHER };
    const first = await generateText({ model: make(model), messages: [asked], providerOptions });
    const messages = [asked, ...first.response.messages, { role: "user", content: "Why?" }];
    const second = await generateText({ model: make(model), messages, providerOptions });
    assert.ok(second.text);
    assert.ok(second.usage.inputTokens > first.usage.inputTokens + 10, "the first answer was not sent back");
  }

  return [whole, streamed, tools, toolsStreamed, structured, conversation];
}
