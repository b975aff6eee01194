// What the checks of all JavaScript clients share: whom to ask, what to ask, and the report that is their last line.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const models = JSON.parse(process.env.TOLLWAY_MODELS);
const said = {};

export const EMBEDDERS = { OpenAI: "openai/text-embedding-3-small", Google: "google/gemini-embedding-001" };

export const HELLO = "Say hello to the river.";
export const WEATHER = "What is the weather in Lyon?";
export const DESCRIPTION = "The weather of a city";
export const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
export const RAIN = "Rain on all days.";

// An answer to HELLO: the simulated model says the same each time, so whole and streamed must be equal.
export function hello(model, text) {
  assert.ok(text, "no text");
  said[model] ??= text;
  assert.equal(text, said[model]);
}

// Arguments of a call, as text or as an object: those that PARAMETERS ask for, and no others.
export function weather(given) {
  const found = typeof given === "string" ? JSON.parse(given) : given;
  assert.deepEqual(Object.keys(found).sort(), ["city", "days"]);
  assert.equal(typeof found.city, "string");
  assert.ok(Number.isInteger(found.days));
}

// Usage: both sides were counted, and add up where a total is said.
export function counted(prompt, completion, total) {
  assert.ok(prompt > 0 && completion > 0, `${prompt} and ${completion} tokens`);
  assert.equal(total ?? prompt + completion, prompt + completion);
}

export async function collect(stream) {
  const found = [];
  for await (const each of stream) found.push(each);
  return found;
}

// Try each feature with each family, or with its own `models`, print what failed, and in the last line what passed; then
// exit, with 1 if one failed.
export async function report(client, speaks, features) {
  const passed = {};
  let failed = false;
  for (const feature of features) {
    const name = feature.name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
    for (const [family, model] of Object.entries(feature.models ?? models)) {
      try {
        await feature(model);
        (passed[name] ??= []).push(family);
      } catch (error) {
        failed = true;
        console.log(`${client}, ${speaks}: ${name} fails with ${model}:\n${error.stack}`);
      }
    }
  }
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${client}/package.json`, import.meta.url), "utf-8"));
  console.log(JSON.stringify({ client, version, speaks, passed }));
  process.exit(failed ? 1 : 0);
}
