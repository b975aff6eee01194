// @ts-check
/** The models that somebody likes and those chosen lately, in this browser, by user. */

const RECENT_MAX = 5;

/** @typedef {{favourites: string[], recent: string[]}} Kept */

export class Choices {
  #name;
  /** @type {Kept} */
  #kept = { favourites: [], recent: [] };

  /** @param {string} owner whose they are: a user's id, or "guest" */
  constructor(owner) {
    this.#name = `tollway-choices-${owner}`;
    try {
      const read = JSON.parse(localStorage.getItem(this.#name) ?? "{}");
      for (const each of /** @type {const} */ (["favourites", "recent"])) {
        if (Array.isArray(read?.[each])) this.#kept[each] = read[each].filter((/** @type {any} */ id) => typeof id === "string");
      }
    } catch {
      // What is no JSON, or a browser that keeps nothing: nobody has chosen anything yet.
    }
  }

  /** @param {string} model */
  likes(model) {
    return this.#kept.favourites.includes(model);
  }

  /** @param {string} model */
  toggle(model) {
    const { favourites } = this.#kept;
    this.#keep({ ...this.#kept, favourites: this.likes(model) ? favourites.filter((each) => each !== model) : [...favourites, model] });
  }

  /** @param {string} model that was just chosen */
  chose(model) {
    this.#keep({ ...this.#kept, recent: [model, ...this.#kept.recent.filter((each) => each !== model)].slice(0, RECENT_MAX) });
  }

  /** @param {string} model */
  word(model) {
    return this.likes(model) ? "favourite" : this.#kept.recent.includes(model) ? "recent" : "";
  }

  /**
   * Favourites first, then what was chosen lately, then the others as they come.
   * @template {{id: string}} T
   * @param {T[]} models
   */
  sorted(models) {
    const { favourites, recent } = this.#kept;
    const first = [...favourites, ...recent.filter((each) => !favourites.includes(each))];
    const place = (/** @type {T} */ each) => (first.includes(each.id) ? first.indexOf(each.id) : first.length);
    return [...models].sort((a, b) => place(a) - place(b));
  }

  /** @param {Kept} kept */
  #keep(kept) {
    this.#kept = kept;
    try {
      localStorage.setItem(this.#name, JSON.stringify(kept));
    } catch {
      // It counts until the page is closed.
    }
  }
}
