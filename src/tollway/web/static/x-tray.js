// @ts-check
/**
 * <x-tray data-most="4"> around the form that takes what is ticked in a table beside it: what was ticked is named, can
 * be taken off, and stays while the table is searched, sorted and paged, until the tab is closed. Without this file
 * the form takes what is ticked in the table as it stands.
 */

const KEPT = "tollway-tray";

class XTray extends HTMLElement {
  /** @type {Map<string, string>} what was ticked: its id and its name, in that order */
  #picked = new Map();
  #listening = new AbortController();

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#picked = new Map(read());
    for (const box of this.#boxes) if (box.checked && this.#picked.size < this.#most) this.#picked.set(box.value, nameOf(box));
    document.addEventListener("change", (event) => this.#ticked(event), { signal });
    document.addEventListener("x-models", () => this.#mark(), { signal });
    // A browser that goes back ticks what was ticked then.
    addEventListener("pageshow", () => this.#mark(), { signal });
    this.#form.addEventListener("formdata", (event) => {
      event.formData.delete("model");
      for (const id of this.#picked.keys()) event.formData.append("model", id);
    }, { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #form() {
    return /** @type {HTMLFormElement} */ (this.querySelector("form"));
  }

  get #most() {
    return Number(this.dataset.most);
  }

  get #boxes() {
    return [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(`input[type=checkbox][form="${this.#form.id}"]`))];
  }

  /** @param {Event} event */
  #ticked(event) {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !this.#boxes.includes(box)) return;
    if (!box.checked) this.#picked.delete(box.value);
    else if (this.#picked.size < this.#most) this.#picked.set(box.value, nameOf(box));
    else {
      box.checked = false;
      this.#say(`${this.#most} at most: take one off first`);
      return;
    }
    this.#show();
  }

  #show() {
    const list = /** @type {HTMLElement} */ (this.querySelector("ul"));
    list.hidden = this.#picked.size === 0;
    list.replaceChildren(...[...this.#picked].map(([id, name]) => this.#line(id, name)));
    this.#say(this.#picked.size ? `${this.#picked.size} of ${this.#most}` : "");
    this.#mark();
    try {
      sessionStorage.setItem(KEPT, JSON.stringify([...this.#picked]));
    } catch {
      // It counts until the page is left.
    }
  }

  /**
   * @param {string} id
   * @param {string} name
   */
  #line(id, name) {
    const line = document.createElement("li");
    const off = document.createElement("button");
    off.type = "button";
    off.className = "link";
    off.textContent = "×";
    off.setAttribute("aria-label", `Take off ${name}`);
    off.addEventListener("click", () => {
      const at = [...this.#picked.keys()].indexOf(id);
      this.#picked.delete(id);
      this.#show();
      const left = this.querySelectorAll("li button");
      const next = left[Math.min(at, left.length - 1)] ?? this.querySelector("button");
      if (next instanceof HTMLElement) next.focus();
    });
    line.append(name, off);
    return line;
  }

  /** Ticks the rows of the table that is shown as they were ticked. */
  #mark() {
    for (const box of this.#boxes) box.checked = this.#picked.has(box.value);
  }

  /** @param {string} text "": what the page says without a tick */
  #say(text) {
    const said = /** @type {HTMLElement} */ (this.querySelector("[role=status]"));
    said.dataset.first ??= said.textContent ?? "";
    said.textContent = text || said.dataset.first;
  }
}

/** @param {HTMLInputElement} box */
function nameOf(box) {
  return box.closest("tr")?.querySelector("th a")?.textContent ?? box.value;
}

/** @returns {[string, string][]} what this tab keeps; nothing where it is no list of pairs */
function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(kept) ? kept.filter((each) => Array.isArray(each) && each.length === 2 && each.every((part) => typeof part === "string")) : [];
  } catch {
    return [];
  }
}

customElements.define("x-tray", XTray);
