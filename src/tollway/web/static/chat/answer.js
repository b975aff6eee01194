// @ts-check
/**
 * An answer: what the chunks of one stream add up to. Pure.
 *
 * @typedef {{id: string, model: string, state: "waiting" | "streaming" | "done" | "stopped" | "interrupted" | "failed",
 *   text: string, reasoning: string, tools: {id: string, name: string, arguments: string}[],
 *   sources: {url: string, title: string}[], images: string[], error: import("./api.js").Told | null,
 *   provider: string, generation: string, finish: string, usage: any, began: number, firstMs: number | null,
 *   totalMs: number | null}} Answer
 */

/**
 * @param {string} id
 * @param {string} model
 * @param {number} now milliseconds
 * @returns {Answer}
 */
export function newAnswer(id, model, now) {
  return {
    id, model, state: "waiting", text: "", reasoning: "", tools: [], sources: [], images: [], error: null,
    provider: "", generation: "", finish: "", usage: null, began: now, firstMs: null, totalMs: null,
  };
}

/**
 * A chunk of OpenAI's chat stream, added to the answer.
 * @param {Answer} answer
 * @param {any} chunk
 * @param {number} now
 */
export function addChunk(answer, chunk, now) {
  answer.generation ||= chunk.id ?? "";
  answer.provider = chunk.provider ?? answer.provider;
  answer.usage = chunk.usage ?? answer.usage;
  if (chunk.error) throw Object.assign(new Error(chunk.error.message), { status: Number(chunk.error.code) || 502 });
  const choice = chunk.choices?.[0];
  if (!choice) return;
  answer.finish = choice.finish_reason ?? answer.finish;
  const delta = choice.delta ?? choice.message ?? {};
  const before = size(answer);
  if (typeof delta.content === "string") answer.text += delta.content;
  const reasoning = delta.reasoning ?? delta.reasoning_content;
  if (typeof reasoning === "string") answer.reasoning += reasoning;
  for (const call of delta.tool_calls ?? []) addCall(answer, call);
  for (const each of delta.annotations ?? []) {
    const found = each.url_citation;
    if (found?.url) answer.sources.push({ url: found.url, title: found.title ?? found.url });
  }
  for (const each of delta.images ?? []) if (each.image_url?.url) answer.images.push(each.image_url.url);
  if (answer.firstMs === null && size(answer) > before) answer.firstMs = now - answer.began;
  answer.state = "streaming";
}

/** @param {Answer} answer */
function size(answer) {
  return answer.text.length + answer.reasoning.length + answer.tools.length + answer.images.length;
}

/**
 * @param {Answer} answer
 * @param {any} part
 */
function addCall(answer, part) {
  const index = part.index ?? answer.tools.length;
  const call = (answer.tools[index] ??= { id: "", name: "", arguments: "" });
  call.id ||= part.id ?? "";
  call.name += part.function?.name ?? "";
  call.arguments += part.function?.arguments ?? "";
}

/**
 * @param {Answer} answer
 * @returns {number} dollars
 */
export function costOf(answer) {
  return Number(answer.usage?.cost) || 0;
}

/**
 * @param {Answer} answer
 * @returns {boolean} whether its stream is still open
 */
export function isOpen(answer) {
  return answer.state === "waiting" || answer.state === "streaming";
}
