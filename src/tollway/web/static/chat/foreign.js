// @ts-check
/**
 * Conversations out of other chats' exports: ChatGPT, Claude, Open WebUI. Pure. Of each the branch that was seen last.
 * Files may be anybody's: what is not of the type that is looked for is passed over.
 */
import { newAnswer } from "./answer.js";
import { ROOT, addAnswer, addTurn, newConversation, newId, newPane } from "./tree.js";

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {{id: string, role: string, text: string, thought?: string, model?: string, at: number}} Said
 */

export const SOURCES = "ChatGPT, Claude or Open WebUI";

/**
 * @param {any} data what a file holds
 * @returns {Conversation[] | undefined} undefined: it is of none of them
 */
export function fromElsewhere(data) {
  const listed = Array.isArray(data) ? data : [data];
  for (const [is, read] of KINDS) if (listed.length && listed.every((each) => is(plain(each)))) return listed.map((each) => read(each));
  return undefined;
}

/** @type {[(talk: any) => boolean, (talk: any) => Conversation][]} */
const KINDS = [
  [(talk) => isPlain(talk.mapping), ofChatGpt],
  [(talk) => Array.isArray(talk.chat_messages), ofClaude],
  [(talk) => isPlain(talk.history?.messages) || isPlain(talk.chat?.history?.messages), ofOpenWebUi],
];

/** @param {any} talk `mapping`: nodes of a tree by id, and `current_node`; seconds since 1970 */
function ofChatGpt(talk) {
  const at = (number(talk.create_time) || Date.now() / 1000) * 1000;
  const line = upwards(talk.mapping, talk.current_node, "parent").map(({ message }) => ({
    id: word(message?.id),
    role: word(message?.author?.role),
    text: (Array.isArray(message?.content?.parts) ? message.content.parts : []).filter(word).join("\n"),
    model: word(message?.metadata?.model_slug),
    at: number(message?.create_time) * 1000 || at,
  }));
  return made(word(talk.title), at, line);
}

/** @param {any} talk `chat_messages` in order, or as a tree below `current_leaf_message_uuid`; times as in ISO 8601 */
function ofClaude(talk) {
  const at = time(talk.created_at) || Date.now();
  const all = talk.chat_messages.filter(isPlain);
  const nodes = Object.fromEntries(all.map((/** @type {any} */ each) => [word(each.uuid), each]));
  const branch = upwards(nodes, talk.current_leaf_message_uuid, "parent_message_uuid");
  const line = (branch.length ? branch : all).map((/** @type {any} */ message) => {
    const parts = Array.isArray(message.content) ? message.content.filter(isPlain) : [];
    const of = (/** @type {string} */ type) => parts.filter((/** @type {any} */ each) => each.type === type).map((/** @type {any} */ each) => word(each[type])).filter(Boolean);
    const files = (Array.isArray(message.attachments) ? message.attachments : []).filter((/** @type {any} */ each) => word(each?.extracted_content));
    const text = of("text").join("\n\n") || word(message.text);
    return {
      id: word(message.uuid),
      role: message.sender === "human" ? "user" : word(message.sender),
      text: [...files.map((/** @type {any} */ each) => `${word(each.file_name)}:\n\n${each.extracted_content}`), text].filter(Boolean).join("\n\n"),
      thought: of("thinking").join("\n\n"),
      model: word(talk.model),
      at: time(message.created_at) || at,
    };
  });
  return made(word(talk.name), at, line);
}

/** @param {any} whole `chat.history`: messages of a tree by id, and `currentId`; older files have no `chat` around it */
function ofOpenWebUi(whole) {
  const talk = isPlain(whole.chat) ? whole.chat : whole;
  const at = (number(whole.created_at) || number(talk.timestamp) / 1000 || Date.now() / 1000) * 1000;
  const system = word(talk.system) || word(talk.params?.system);
  const line = upwards(talk.history.messages, talk.history.currentId, "parentId").map((message) => ({
    id: word(message.id),
    role: word(message.role),
    text: word(message.content).replace(/<details type="reasoning"[^]*?<\/details>\s*/g, ""),
    model: word(message.model),
    at: number(message.timestamp) * 1000 || at,
  }));
  const told = made(word(whole.title) || word(talk.title), at, line);
  told.panes[0].system = system;
  return told;
}

/**
 * From a leaf to the root, then turned round. A circle is gone round once.
 * @param {Record<string, any>} nodes
 * @param {any} leaf
 * @param {string} parent the field that names it
 */
function upwards(nodes, leaf, parent) {
  const line = [];
  const seen = new Set();
  for (let id = leaf; typeof id === "string" && Object.hasOwn(nodes, id) && isPlain(nodes[id]) && !seen.has(id); id = nodes[id][parent]) {
    seen.add(id);
    line.unshift(nodes[id]);
  }
  return line;
}

/**
 * Prompts in a row become one, and so do answers.
 * @param {string} title
 * @param {number} at
 * @param {Said[]} line
 */
function made(title, at, line) {
  const talk = newConversation([newPane("")], at);
  talk.title = title;
  const [pane] = talk.panes;
  let parent = ROOT;
  for (const { id, role, text, thought = "", model = "", at: when } of line) {
    const turn = talk.turns[parent];
    const before = turn?.answers[pane.id]?.[0];
    if (!text && !thought) continue;
    if (role === "system" && !turn) pane.system = text;
    else if (role === "user" && turn && !before) turn.text += `\n\n${text}`;
    else if (role === "user") parent = addTurn(talk, parent, text, [], when).id;
    else if (role === "assistant" && before) before.text = [before.text, text].filter(Boolean).join("\n\n");
    else if (role === "assistant" && turn) addAnswer(turn, pane.id, { ...newAnswer(id || newId(), model, when), text, reasoning: thought, state: "done" });
  }
  talk.updated = Math.max(at, ...Object.values(talk.turns).map((turn) => turn.at));
  return talk;
}

/** @param {any} value */
const isPlain = (value) => Boolean(value) && typeof value === "object" && !Array.isArray(value);
/** @param {any} value @returns {any} */
const plain = (value) => (isPlain(value) ? value : {});
/** @param {any} value */
const word = (value) => (typeof value === "string" ? value : "");
/** @param {any} value */
const number = (value) => (Number.isFinite(value) ? value : 0);
/** @param {any} value */
const time = (value) => number(Date.parse(word(value)));
