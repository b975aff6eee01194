// @ts-check
/** Conversations as a file: our own format, with its version, and other chats' exports. Pure. No credential is ever in it. */
import { newAnswer } from "./answer.js";
import { SOURCES, fromElsewhere } from "./foreign.js";
import { ROOT, addAnswer, newConversation, newPane } from "./tree.js";

export const FORMAT = "tollway-chat";
export const VERSION = 1;
const STATES = new Set(["done", "stopped", "interrupted", "failed"]);

/** @typedef {import("./tree.js").Conversation} Conversation */

/** @param {Conversation[]} talks */
export function toFile(talks) {
  return JSON.stringify({ format: FORMAT, version: VERSION, conversations: talks.map(whole) }, null, 1);
}

/**
 * @param {string} text
 * @returns {Conversation[]} with new ids where they were read from elsewhere
 * @throws {Error} what is wrong with the file, in words
 */
export function fromFile(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error(`This file is no JSON: choose one that was exported here, or by ${SOURCES}.`);
  }
  if (data?.format === FORMAT) {
    if (data.version !== VERSION) throw new Error(`This file has version ${data.version}; this page reads version ${VERSION}.`);
    if (!Array.isArray(data.conversations)) throw new Error("This file holds no conversations.");
    return data.conversations.map(whole);
  }
  const talks = fromElsewhere(data);
  if (!talks) throw new Error(`This is neither an export of this page nor one of ${SOURCES}.`);
  return talks;
}

/**
 * Only what we know of, in the types that we know: a file may be anybody's.
 * @param {any} talk
 * @returns {Conversation}
 */
function whole(talk) {
  if (!talk || typeof talk !== "object") throw new Error("One of its conversations is none.");
  const panes = list(talk.panes).slice(0, 6).map((each) => ({
    id: word(each.id), model: word(each.model), system: word(each.system), params: plain(each.params),
  }));
  /** @type {Conversation} */
  const made = newConversation(panes.length ? panes : [newPane("")], number(talk.created) || Date.now());
  made.id = word(talk.id) || made.id;
  made.title = word(talk.title);
  made.updated = number(talk.updated) || made.created;
  for (const each of Object.values(plain(talk.turns))) {
    const id = word(each?.id);
    if (!id || id === ROOT || id in Object.prototype) continue;
    made.turns[id] = {
      id, parent: word(each.parent) || ROOT, text: word(each.text), at: number(each.at), chosen: {}, answers: {},
      files: list(each.files).map((file) => ({ name: word(file.name), type: word(file.type), url: dataUrl(file.url) })),
    };
    for (const pane of made.panes) {
      for (const answer of list(each.answers?.[pane.id])) addAnswer(made.turns[id], pane.id, wholeAnswer(answer));
      if (pane.id in made.turns[id].chosen) {
        const last = made.turns[id].answers[pane.id].length - 1;
        made.turns[id].chosen[pane.id] = Math.min(last, Math.max(0, Math.trunc(number(each.chosen?.[pane.id]))));
      }
    }
  }
  for (const [parent, id] of Object.entries(plain(talk.active))) {
    if (typeof id === "string" && made.turns[id]?.parent === parent) made.active[parent] = id;
  }
  return made;
}

/** @param {any} from */
function wholeAnswer(from) {
  const answer = newAnswer(word(from.id), word(from.model), number(from.began));
  answer.state = STATES.has(from.state) ? from.state : "interrupted";
  for (const name of /** @type {const} */ (["text", "reasoning", "provider", "generation", "finish"])) answer[name] = word(from[name]);
  answer.tools = list(from.tools).map((each) => ({ id: word(each.id), name: word(each.name), arguments: word(each.arguments) }));
  answer.sources = list(from.sources).map((each) => ({ url: word(each.url), title: word(each.title) }));
  answer.images = list(from.images).map(dataUrl).filter(Boolean);
  answer.error = from.error ? { status: number(from.error.status), message: word(from.error.message), todo: word(from.error.todo) } : null;
  answer.usage = from.usage ? plain(from.usage) : null;
  answer.firstMs = from.firstMs === null ? null : number(from.firstMs);
  answer.totalMs = from.totalMs === null ? null : number(from.totalMs);
  return answer;
}

/** @param {any} value */
const word = (value) => (typeof value === "string" ? value : "");
/** @param {any} value */
const number = (value) => (Number.isFinite(value) ? value : 0);
/** @param {any} value @returns {Record<string, any>} */
const plain = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
/** @param {any} value @returns {any[]} */
const list = (value, type = "object") =>
  Array.isArray(value) ? value.filter((each) => each !== null && (typeof each === type || typeof each === "string")) : [];
/** @param {any} value */
const dataUrl = (value) => (typeof value === "string" && value.startsWith("data:") ? value : "");
