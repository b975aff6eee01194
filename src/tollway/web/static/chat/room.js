// @ts-check
/** The room: which conversation is open, what is asked and answered in it, and what is kept. The views only show it. */
import { addChunk, isOpen, newAnswer } from "./answer.js";
import { Refused, chat, models } from "./api.js";
import { PANES_MAX, ROOT, addAnswer, addTurn, chosen, messagesFor, newConversation, newId, newPane, path, removeTurn } from "./tree.js";

const SAVE_MS = 300;

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {import("./tree.js").Turn} Turn
 * @typedef {import("./tree.js").Pane} Pane
 */

export class Room {
  /** @type {Conversation[]} */
  talks = [];
  /** @type {any[]} */
  models = [];
  /** What went wrong outside of any answer. */
  trouble = "";
  /** When a guest may ask again, in milliseconds since 1970. */
  waitUntil = 0;
  /** What was taken away last, and how it comes back: until something else is done. @type {{words: string, back: () => void} | null} */
  undo = null;
  /** @type {Map<string, {stop: AbortController, talk: Conversation}>} streams by the ids of their answers */
  #open = new Map();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #saving = new Map();
  /** @type {() => void} */
  #changed = () => {};

  /**
   * @param {import("./api.js").Place} place
   * @param {import("./store.js").Store} store
   * @param {string[]} defaults the models of a new conversation
   * @param {string[]} allowed the models that there are for guests
   * @param {import("./choices.js").Choices} choices
   * @param {boolean} fresh whether the page's address wants a new conversation
   */
  constructor(place, store, defaults, allowed, choices, fresh) {
    this.place = place;
    this.store = store;
    this.defaults = defaults;
    this.allowed = allowed;
    this.choices = choices;
    this.fresh = fresh;
    /** @type {Conversation} */
    this.talk = newConversation(defaults.map(newPane), Date.now());
  }

  /** @param {() => void} changed called after each change */
  async begin(changed) {
    this.#changed = changed;
    addEventListener("pagehide", () => {
      for (const talk of this.talks) if (this.#saving.has(talk.id)) void this.#write(talk);
    });
    try {
      this.talks = await this.store.all();
    } catch {
      this.trouble = "This browser keeps nothing here: conversations are lost when the page is closed.";
    }
    const wanted = location.hash.slice(1);
    const found = this.talks.find((each) => each.id === wanted) ?? (this.place.guest ? this.talks[0] : undefined);
    if (found && !this.fresh) this.talk = found;
    changed();
    const listed = await models(this.place).catch(() => []);
    this.models = listed.filter((each) => each.architecture?.output_modalities?.includes("text") ?? true);
    if (this.place.guest) this.models = this.models.filter((each) => this.allowed.includes(each.id));
    changed();
  }

  /** Whether the present conversation is being answered; others go on behind it. */
  get busy() {
    return [...this.#open.values()].some(({ talk }) => talk === this.talk);
  }

  /** @param {Conversation} talk */
  show(talk) {
    this.talk = talk;
    this.undo = null;
    history.replaceState(null, "", `${location.pathname}${this.place.guest ? "" : `#${talk.id}`}`);
    this.#changed();
  }

  /** A new conversation with the models of the present one. */
  renew() {
    const panes = this.talk.panes.map((each) => ({ ...each, id: newId() }));
    this.show(newConversation(panes, Date.now()));
  }

  /** @param {() => void} change what is done to the present conversation */
  change(change) {
    change();
    void this.#write(this.talk);
    this.#changed();
  }

  /**
   * @param {Pane} pane
   * @param {string} model
   */
  choose(pane, model) {
    this.choices.chose(model);
    this.change(() => (pane.model = model));
  }

  /** @param {string} model one that is a favourite from now on, or not any more */
  like(model) {
    this.choices.toggle(model);
    this.#changed();
  }

  addPane() {
    if (this.talk.panes.length >= PANES_MAX) return;
    this.change(() => this.talk.panes.push(newPane(this.talk.panes[this.talk.panes.length - 1].model)));
  }

  /** @param {Pane} pane */
  removePane(pane) {
    const { talk } = this;
    for (const turn of path(talk)) this.stop(chosen(turn, pane.id)?.id ?? "");
    const at = talk.panes.indexOf(pane);
    this.undo = { words: `${pane.model} was removed.`, back: () => talk.panes.length < PANES_MAX && talk.panes.splice(at, 0, pane) };
    this.change(() => (talk.panes = talk.panes.filter((each) => each !== pane)));
  }

  /** Brings back what was taken away last. */
  takeBack() {
    const undo = this.undo;
    if (!undo) return;
    this.undo = null;
    this.change(undo.back);
  }

  /**
   * Asks every pane's model. `parent`: after which turn; edited prompts stand beside their old selves.
   * @param {string} text
   * @param {import("./tree.js").Attachment[]} files
   * @param {string} [parent]
   */
  ask(text, files, parent) {
    const talk = this.talk;
    const last = path(talk).at(-1);
    const turn = addTurn(talk, parent ?? last?.id ?? ROOT, text, files, Date.now());
    if (!this.talks.includes(talk)) this.talks.unshift(talk);
    this.talks.sort((a, b) => b.updated - a.updated);
    this.show(talk);
    void this.#write(talk);
    for (const pane of talk.panes) void this.answer(turn, pane);
  }

  /**
   * One answer of one pane, from the first byte to the last.
   * @param {Turn} turn
   * @param {Pane} pane
   */
  async answer(turn, pane) {
    const talk = this.talk;
    const answer = newAnswer(newId(), pane.model, Date.now());
    const body = { ...pane.params, model: pane.model, messages: messagesFor(talk, turn, pane), stream: true, usage: { include: true } };
    const stop = new AbortController();
    addAnswer(turn, pane.id, answer);
    this.#open.set(answer.id, { stop, talk });
    this.#changed();
    try {
      await chat(this.place, body, stop.signal, (chunk) => {
        addChunk(answer, chunk, Date.now());
        this.#save(talk);
        this.#changed();
      });
      answer.state = "done";
    } catch (error) {
      this.#failed(answer, error, stop.signal.aborted);
    }
    answer.totalMs = Date.now() - answer.began;
    this.#open.delete(answer.id);
    await this.#write(talk);
    this.#changed();
  }

  /**
   * @param {import("./answer.js").Answer} answer
   * @param {unknown} error
   * @param {boolean} stopped
   */
  #failed(answer, error, stopped) {
    if (stopped) {
      answer.state = "stopped";
      return;
    }
    const refused = error instanceof Refused ? error : new Refused(this.place, 0, "The connection was lost.");
    answer.state = "failed";
    answer.error = refused.told;
    if (refused.told.status === 429 && refused.told.waitS) this.waitUntil = Date.now() + refused.told.waitS * 1000;
  }

  /** @param {string} id of an answer */
  stop(id) {
    this.#open.get(id)?.stop.abort();
  }

  stopAll() {
    for (const { stop, talk } of this.#open.values()) if (talk === this.talk) stop.abort();
  }

  /** @param {Turn} turn */
  remove(turn) {
    const { talk } = this;
    for (const each of Object.values(turn.answers).flat()) if (isOpen(each)) this.stop(each.id);
    const before = { turns: { ...talk.turns }, active: { ...talk.active } };
    this.change(() => removeTurn(talk, turn));
    const count = Object.keys(before.turns).length - Object.keys(talk.turns).length;
    this.undo = { words: count > 1 ? `${count} prompts and their answers were deleted.` : "The prompt and its answers were deleted.", back: () => Object.assign(talk, before) };
    this.#changed();
  }

  /** @param {Conversation} talk */
  async discard(talk) {
    clearTimeout(this.#saving.get(talk.id));
    this.#saving.delete(talk.id);
    this.talks = this.talks.filter((each) => each !== talk);
    for (const each of this.#open.values()) if (each.talk === talk) each.stop.abort();
    await this.store.remove(talk.id).catch(() => {});
    if (talk === this.talk) this.renew();
    this.#changed();
  }

  /** @param {Conversation[]} talks */
  async take(talks) {
    for (const talk of talks) {
      for (const pane of talk.panes) pane.model ||= this.defaults[0] ?? "";
      this.talks = [talk, ...this.talks.filter((each) => each.id !== talk.id)];
      await this.#write(talk);
    }
    if (talks.length) this.show(talks[0]);
  }

  /** @param {Conversation} talk */
  #save(talk) {
    if (!this.talks.includes(talk) || this.#saving.has(talk.id)) return;
    this.#saving.set(talk.id, setTimeout(() => void this.#write(talk), SAVE_MS));
  }

  /** @param {Conversation} talk */
  async #write(talk) {
    clearTimeout(this.#saving.get(talk.id));
    this.#saving.delete(talk.id);
    if (!this.talks.includes(talk)) return;
    try {
      await this.store.put(talk);
    } catch {
      this.trouble = "This browser has no room to keep the conversation: export it, or delete others.";
    }
  }
}
