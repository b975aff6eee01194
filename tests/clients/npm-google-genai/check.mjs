// @google/genai: generateContent, with functions, thoughts, schemas and counting.

import assert from "node:assert/strict";
import * as scene from "./scene.mjs";
import { client } from "./setup.mjs";

const declared = { name: "weather", description: scene.DESCRIPTION, parametersJsonSchema: scene.PARAMETERS };
const withTool = { tools: [{ functionDeclarations: [declared] }] };
const thoughts = { thinkingConfig: { includeThoughts: true, thinkingLevel: "LOW" } };

function counted(usage) {
  const completion = usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0);
  scene.counted(usage.promptTokenCount, completion, usage.totalTokenCount);
}

async function whole(model) {
  const done = await client.models.generateContent({ model, contents: scene.HELLO });
  scene.hello(model, done.text);
  assert.equal(done.candidates[0].finishReason, "STOP");
  counted(done.usageMetadata);
}

async function streamed(model) {
  const pieces = await scene.collect(await client.models.generateContentStream({ model, contents: scene.HELLO }));
  scene.hello(model, pieces.map((piece) => piece.text ?? "").join(""));
  counted(pieces.at(-1).usageMetadata);
}

async function tools(model) {
  const done = await client.models.generateContent({ model, contents: scene.WEATHER, config: withTool });
  const [call] = done.functionCalls;
  scene.weather(call.args);
  const functionResponse = { id: call.id, name: call.name, response: { result: scene.RAIN } };
  const contents = [
    { role: "user", parts: [{ text: scene.WEATHER }] },
    done.candidates[0].content,
    { role: "user", parts: [{ functionResponse }] },
  ];
  assert.ok((await client.models.generateContent({ model, contents, config: withTool })).text);
}

async function toolsStreamed(model) {
  const stream = await client.models.generateContentStream({ model, contents: scene.WEATHER, config: withTool });
  const calls = (await scene.collect(stream)).flatMap((piece) => piece.functionCalls ?? []);
  assert.equal(calls.length, 1);
  scene.weather(calls[0].args);
}

async function structured(model) {
  const config = { responseMimeType: "application/json", responseJsonSchema: scene.PARAMETERS };
  scene.weather((await client.models.generateContent({ model, contents: scene.WEATHER, config })).text);
}

async function thinking(model) {
  const done = await client.models.generateContent({ model, contents: scene.WEATHER, config: thoughts });
  const { content } = done.candidates[0];
  assert.ok(content.parts.some((part) => part.thought && part.text));
  const contents = [
    { role: "user", parts: [{ text: scene.WEATHER }] },
    content,
    { role: "user", parts: [{ text: "Why?" }] },
  ];
  assert.ok((await client.models.generateContent({ model, contents, config: thoughts })).text);
}

async function countTokens(model) {
  assert.ok((await client.models.countTokens({ model, contents: scene.HELLO })).totalTokens > 0);
}

const features = [whole, streamed, tools, toolsStreamed, structured, thinking, countTokens];
await scene.report("@google/genai", "Gemini", features);
