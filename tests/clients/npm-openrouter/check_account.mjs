// OpenRouter's SDK for TypeScript: chat, and what belongs to accounts, each answer read by its own strict schemas.

import assert from "node:assert/strict";
import { OpenRouter } from "@openrouter/sdk";
import * as scene from "./scene.mjs";
import { client } from "./setup.mjs";

const serverURL = `${process.env.TOLLWAY_URL}/api/v1`;
const manager = new OpenRouter({ serverURL, apiKey: process.env.TOLLWAY_MANAGER });
const only = { OpenAI: "openai/gpt-5.6-luna" };
const messages = [{ role: "user", content: scene.HELLO }];

async function chat(model) {
  const whole = await client.chat.send({ chatRequest: { model, messages } });
  scene.hello(model, whole.choices[0].message.content);
  let text = "";
  for await (const chunk of await client.chat.send({ chatRequest: { model, messages, stream: true } })) {
    text += chunk.choices[0]?.delta.content ?? "";
  }
  scene.hello(model, text);
}

async function keys(model) {
  const { data, key } = await manager.apiKeys.create({ requestBody: { name: "TypeScript", limit: 2, limitReset: "daily" } });
  assert.deepEqual([data.name, data.limit, data.limitReset], ["TypeScript", 2, "daily"]);
  const own = new OpenRouter({ serverURL, apiKey: key });
  await own.chat.send({ chatRequest: { model, messages } });
  assert.equal((await own.apiKeys.getCurrentKeyMetadata()).data.limit, 2);
  assert.ok((await manager.apiKeys.list()).data.some((each) => each.hash === data.hash));
  assert.equal((await manager.apiKeys.get({ hash: data.hash })).data.label, data.label);
  const changed = await manager.apiKeys.update({ hash: data.hash, requestBody: { name: "TS", disabled: true } });
  assert.deepEqual([changed.data.name, changed.data.disabled], ["TS", true]);
  await assert.rejects(own.chat.send({ chatRequest: { model, messages } }), (error) => error.statusCode === 401);
  assert.equal((await manager.apiKeys.delete({ hash: data.hash })).deleted, true);
}
keys.models = only;

async function credits() {
  const { data } = await client.credits.getCredits();
  assert.ok(data.totalCredits > 0 && data.totalUsage >= 0);
}
credits.models = only;

async function pkce(model) {
  const { codeChallenge, codeVerifier } = (await client.oAuth.createSHA256CodeChallenge());
  const callbackUrl = "https://app.example/callback";
  const asked = { callbackUrl, codeChallenge, codeChallengeMethod: "S256", limit: 1, keyLabel: "PKCE" };
  const { data } = await manager.oAuth.createAuthCode({ requestBody: asked });
  const given = { code: data.id, codeVerifier, codeChallengeMethod: "S256" };
  const { key } = await client.oAuth.exchangeAuthCodeForAPIKey({ requestBody: given });
  const own = new OpenRouter({ serverURL, apiKey: key });
  assert.equal((await own.apiKeys.getCurrentKeyMetadata()).data.limit, 1);
  await own.chat.send({ chatRequest: { model, messages } });
  const again = client.oAuth.exchangeAuthCodeForAPIKey({ requestBody: given });
  await assert.rejects(again, (error) => error.statusCode === 403);
}
pkce.models = only;

async function generations(model) {
  const { id, usage } = await client.chat.send({ chatRequest: { model, messages } });
  for (let tries = 0; ; tries++) {
    try {
      const { data } = await client.generations.getGeneration({ id });
      assert.deepEqual([data.model, data.tokensPrompt > 0, data.totalCost], [model, true, usage.cost]);
      return;
    } catch (error) {
      if (error.statusCode !== 404 || tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
generations.models = only;

async function activity() {
  const { data } = await manager.analytics.getUserActivity();
  assert.ok(Array.isArray(data));
}
activity.models = only;

async function ownKeys() {
  const made = await manager.byok.create({ createBYOKKeyRequest: { provider: "openai", key: "sk-typescript-0001", name: "TS" } });
  const { id } = made.data;
  assert.equal((await manager.byok.get({ id })).data.name, "TS");
  assert.ok((await manager.byok.list()).result.data.some((each) => each.id === id));
  const changed = await manager.byok.update({ id, updateBYOKKeyRequest: { name: "TS 2" } });
  assert.equal(changed.data.name, "TS 2");
  await manager.byok.delete({ id });
  await assert.rejects(manager.byok.get({ id }), (error) => error.statusCode === 404);
}
ownKeys.models = only;

async function guardrails() {
  const asked = { name: "TypeScript", allowedModels: ["openai/gpt-5.6-luna"], limitUsd: 5, resetInterval: "monthly" };
  const { id } = (await manager.guardrails.create({ createGuardrailRequest: asked })).data;
  const { data: key } = await manager.apiKeys.create({ requestBody: { name: "Guarded" } });
  const assigned = await manager.guardrails.bulkAssignKeys({ id, bulkAssignKeysRequest: { keyHashes: [key.hash] } });
  assert.equal(assigned.assignedCount, 1);
  const listed = await manager.guardrails.listGuardrailKeyAssignments({ id });
  assert.deepEqual(listed.result.data.map((each) => each.keyHash), [key.hash]);
  assert.equal((await manager.guardrails.get({ id })).data.limitUsd, 5);
  await manager.guardrails.update({ id, updateGuardrailRequest: { name: "TS" } });
  assert.equal((await manager.guardrails.delete({ id })).deleted, true);
  await manager.apiKeys.delete({ hash: key.hash });
}
guardrails.models = only;

// Its owner is a user, and the key was made on the command line: it sees the workspace, and makes none.
async function workspaces() {
  const { data } = (await manager.workspaces.list()).result;
  assert.equal(data.length, 1);
  assert.equal((await manager.workspaces.get({ id: data[0].id })).data.slug, data[0].slug);
  const asked = { createWorkspaceRequest: { name: "TypeScript", slug: "typescript" } };
  await assert.rejects(manager.workspaces.create(asked), (error) => error.statusCode === 403);
}
workspaces.models = only;

await scene.report("@openrouter/sdk", "chat", [
  chat, keys, credits, pkce, generations, activity, ownKeys, guardrails, workspaces,
]);
