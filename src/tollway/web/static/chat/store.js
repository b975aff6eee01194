// @ts-check
/** Conversations in this browser's IndexedDB, by user; nothing of them is on the server. */
import { openDB } from "../vendor/idb.js";
import { interrupt } from "./tree.js";

const TALKS = "conversations";

/** @typedef {import("./tree.js").Conversation} Conversation */

export class Store {
  /** @type {Promise<any>} */
  #database;

  /** @param {string} owner whose they are: a user's id, or "guest" */
  constructor(owner) {
    this.#database = openDB(`tollway-chat-${owner}`, 1, {
      upgrade: (database) => database.createObjectStore(TALKS, { keyPath: "id" }),
    });
  }

  /** @returns {Promise<Conversation[]>} the latest first */
  async all() {
    const talks = await (await this.#database).getAll(TALKS);
    return talks.map(interrupt).sort((a, b) => b.updated - a.updated);
  }

  /** @param {Conversation} talk */
  async put(talk) {
    await (await this.#database).put(TALKS, talk);
  }

  /** @param {string} id */
  async remove(id) {
    await (await this.#database).delete(TALKS, id);
  }
}
