// CPEN's page: its samples for JavaScript and curl, cut out of it and run, only with our host and key.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import * as scene from "./scene.mjs";
import { client } from "./setup.mjs";

const page = readFileSync("page.txt", "utf-8").replaceAll("https://cpenrouter.space", process.env.TOLLWAY_URL);
const only = { CPEN: "cpen/middle" };

function told(answer, model) {
  assert.equal(answer.model, model);
  assert.equal(answer.cpen_status, "completed");
  assert.equal(answer.cpen_route.alias, model);
  assert.match(answer.cpen_route.route_id, /^route_/);
  assert.ok(Number(answer.cpen_route.input_per_1m) + Number(answer.cpen_route.output_per_1m) <= 0.3);
}

// The page leaves out two lines: where OpenAI comes from, and what a row is.
async function javascript(model) {
  const [sample] = page.match(/const client = new OpenAI\([\s\S]*?\n\}\);\nawait [\s\S]*?\n\}\);/);
  const place = new URL("sample.mjs", import.meta.url);
  writeFileSync(place, `import OpenAI from "openai";\nconst row = "Alice; 12.50; a notebook";\n${sample}\n`);
  const answers = [];
  const fetched = globalThis.fetch;
  globalThis.fetch = async (...given) => {
    const answer = await fetched(...given);
    answers.push(answer.clone());
    return answer;
  };
  process.env.CPEN_API_KEY = process.env.TOLLWAY_KEY;
  try {
    await import(place);
  } finally {
    globalThis.fetch = fetched;
  }
  assert.equal(answers.length, 1);
  told(await answers[0].json(), model);
}
javascript.models = only;

async function curl(model) {
  const [sample] = page.match(/curl [\s\S]*?\n\}'/);
  const command = sample.replace("cpen_live_...", process.env.TOLLWAY_KEY);
  told(JSON.parse(execFileSync("bash", ["-c", command], { encoding: "utf-8", stdio: ["ignore", "pipe", "ignore"] })), model);
}
curl.models = only;

async function extraction(model) {
  const [, body] = page.match(/POST \/v1\/extractions\n(\{[\s\S]*\})/);
  const answer = await client.post("/extractions", { body: JSON.parse(body) });
  told(answer, model);
  assert.deepEqual(Object.keys(answer.output).sort(), ["amount_usd", "buyer"]);
}
extraction.models = only;

async function overBudget(model) {
  const routing = { max_total_per_1m: "0.000001" };
  const asked = client.chat.completions.create({ model, messages: [{ role: "user", content: scene.HELLO }], routing });
  await assert.rejects(asked, (error) => error.status === 402 && /No route available under budget/.test(error.message));
}
overBudget.models = only;

await scene.report("openai", "CPEN", [javascript, curl, extraction, overBudget]);
