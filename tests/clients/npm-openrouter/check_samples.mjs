// The JavaScript of OpenRouter's documentation of keys (tests/clients/keys/page.txt), with only host and key changed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as scene from "./scene.mjs";

const base = `${process.env.TOLLWAY_URL}/api/v1/keys`;
const page = readFileSync("../keys/page.txt", "utf-8").replaceAll("https://openrouter.ai/api/v1/keys", base);
const only = { keys: "keys" };
const bearer = { Authorization: `Bearer ${process.env.TOLLWAY_MANAGER}` };
const AsyncFunction = (async () => {}).constructor;

async function newKey() {
  const body = JSON.stringify({ name: "Sample" });
  const answer = await fetch(base, { method: "POST", headers: bearer, body });
  return (await answer.json()).data.hash;
}

// Runs a program, and gives what it was answered.
async function run(program) {
  const answers = [];
  const fetched = globalThis.fetch;
  const { log } = console;
  globalThis.fetch = async (...given) => {
    answers.push(await fetched(...given));
    return answers.at(-1).clone();
  };
  console.log = () => {};
  try {
    await new AsyncFunction(program)();
  } finally {
    globalThis.fetch = fetched;
    console.log = log;
  }
  return answers.map((each) => each.status);
}

// The page declares `listKeys` twice, which no program may: each of its steps is run by itself.
async function guide() {
  const [, sample] = page.match(/```typescript title="TypeScript"\n([\s\S]*?)```/);
  const [settings, ...steps] = sample.split(/^ *\/\/ .*$/m);
  const known = settings.replace("your-provisioning-key", process.env.TOLLWAY_MANAGER);
  const hash = await newKey();
  const keyHash = `const keyHash = '${hash}';\n`;
  const statuses = [];
  for (const step of steps) {
    const program = step.includes("<YOUR_KEY_HASH>") ? step.replace("<YOUR_KEY_HASH>", hash) : keyHash + step;
    statuses.push(...(await run(known + program)));
  }
  assert.deepEqual(statuses, [200, 200, 201, 200, 200, 200]);
}
guide.models = only;

async function reference() {
  const samples = [...page.matchAll(/```javascript\n([\s\S]*?)```/g)].map(([, sample]) => sample);
  assert.equal(samples.length, 5);
  const statuses = [];
  for (const sample of samples) {
    const program = sample.replace("<token>", process.env.TOLLWAY_MANAGER).replace("keys/hash", `keys/${await newKey()}`);
    statuses.push(...(await run(program)));
  }
  assert.deepEqual(statuses, [200, 201, 200, 200, 200]);
}
reference.models = only;

await scene.report("@openrouter/sdk", "keys", [guide, reference]);
