// @ts-check
/**
 * A conversation as a tree of turns: a prompt with answers by pane. Editing a prompt makes a sibling, and regenerating
 * another answer, so that what was there stays reachable. Pure: it changes what it is given, and asks nobody.
 *
 * @typedef {{name: string, type: string, url: string}} Attachment
 * @typedef {{id: string, parent: string, text: string, files: Attachment[], at: number,
 *   answers: Record<string, import("./answer.js").Answer[]>, chosen: Record<string, number>}} Turn
 * @typedef {{id: string, model: string, system: string, params: Record<string, any>}} Pane
 * @typedef {{id: string, title: string, created: number, updated: number, panes: Pane[], turns: Record<string, Turn>,
 *   active: Record<string, string>}} Conversation
 */
import { costOf, isOpen } from "./answer.js";

export const ROOT = "root";
export const PANES_MAX = 6;

/** @returns {string} */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {Pane[]} panes
 * @param {number} now
 * @returns {Conversation}
 */
export function newConversation(panes, now) {
  return { id: newId(), title: "", created: now, updated: now, panes, turns: {}, active: {} };
}

/**
 * @param {string} model
 * @returns {Pane}
 */
export function newPane(model) {
  return { id: newId(), model, system: "", params: {} };
}

/**
 * The turns that are seen, the first one first.
 * @param {Conversation} talk
 * @returns {Turn[]}
 */
export function path(talk) {
  const found = [];
  for (let id = talk.active[ROOT]; id && talk.turns[id]; id = talk.active[id]) found.push(talk.turns[id]);
  return found;
}

/**
 * @param {Conversation} talk
 * @param {string} parent
 * @param {string} text
 * @param {Attachment[]} files
 * @param {number} now
 */
export function addTurn(talk, parent, text, files, now) {
  /** @type {Turn} */
  const turn = { id: newId(), parent, text, files, at: now, answers: {}, chosen: {} };
  talk.turns[turn.id] = turn;
  talk.active[parent] = turn.id;
  talk.updated = now;
  talk.title ||= text.trim().replace(/\s+/g, " ").slice(0, 80) || files[0]?.name || "";
  return turn;
}

/**
 * Prompts in the same place, the oldest first.
 * @param {Conversation} talk
 * @param {Turn} turn
 */
export function siblings(talk, turn) {
  return Object.values(talk.turns).filter((each) => each.parent === turn.parent).sort((a, b) => a.at - b.at);
}

/**
 * @param {Turn} turn
 * @param {string} pane
 * @param {import("./answer.js").Answer} answer
 */
export function addAnswer(turn, pane, answer) {
  (turn.answers[pane] ??= []).push(answer);
  turn.chosen[pane] = turn.answers[pane].length - 1;
}

/**
 * @param {Turn} turn
 * @param {string} pane
 * @returns {import("./answer.js").Answer | undefined} the one that is seen
 */
export function chosen(turn, pane) {
  return turn.answers[pane]?.[turn.chosen[pane] ?? 0];
}

/**
 * Takes a prompt away with all that followed it; a sibling takes its place.
 * @param {Conversation} talk
 * @param {Turn} turn
 */
export function removeTurn(talk, turn) {
  const rest = siblings(talk, turn).filter((each) => each !== turn);
  const gone = [turn.id];
  for (let id; (id = gone.pop()); ) {
    for (const each of Object.values(talk.turns)) if (each.parent === id) gone.push(each.id);
    delete talk.turns[id];
    delete talk.active[id];
  }
  if (rest.length) talk.active[turn.parent] = rest[rest.length - 1].id;
  else delete talk.active[turn.parent];
}

/**
 * What a pane's model is sent for a turn of the path: the system prompt, and what was said before, as this pane saw it.
 * A pane that came later has the first pane's answers where it has none.
 * @param {Conversation} talk
 * @param {Turn} turn
 * @param {Pane} pane
 * @returns {any[]}
 */
export function messagesFor(talk, turn, pane) {
  /** @type {any[]} */
  const messages = pane.system.trim() ? [{ role: "system", content: pane.system }] : [];
  for (const each of path(talk)) {
    messages.push({ role: "user", content: contentOf(each) });
    if (each === turn) break;
    const answer = chosen(each, pane.id)?.text ? chosen(each, pane.id) : chosen(each, talk.panes[0].id);
    if (answer?.text) messages.push({ role: "assistant", content: answer.text });
  }
  return messages;
}

/** @param {Turn} turn */
function contentOf(turn) {
  if (!turn.files.length) return turn.text;
  const parts = turn.files.map((file) =>
    file.type.startsWith("image/")
      ? { type: "image_url", image_url: { url: file.url } }
      : { type: "file", file: { filename: file.name, file_data: file.url } },
  );
  return [...(turn.text ? [{ type: "text", text: turn.text }] : []), ...parts];
}

/**
 * Over every branch, what was thrown away included: it was paid all the same.
 * @param {Conversation} talk
 */
export function totals(talk) {
  const all = Object.values(talk.turns).flatMap((turn) => Object.values(turn.answers).flat());
  return {
    cost: all.reduce((sum, each) => sum + costOf(each), 0),
    tokens: all.reduce((sum, each) => sum + (each.usage?.total_tokens ?? 0), 0),
    answers: all.length,
  };
}

/**
 * After a reload no stream is open: what came of them stays, and says so.
 * @param {Conversation} talk
 */
export function interrupt(talk) {
  for (const turn of Object.values(talk.turns)) {
    for (const answer of Object.values(turn.answers).flat()) if (isOpen(answer)) answer.state = "interrupted";
  }
  return talk;
}
