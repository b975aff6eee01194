// @ts-check
/**
 * <x-models> around the table of models and its form: asks the server for the table as one types, and keeps the URL
 * in step. The server renders every row; without this file the form and the links do the same with a page load.
 */

const DELAY_MS = 120;

/** The page's one way from text to HTML: an answer of our own server, which escaped every value in it. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("app", {
  createHTML: (/** @type {string} */ html) => html,
});

/**
 * @param {URL} url
 * @param {AbortSignal} signal
 * @returns {Promise<Document>}
 */
async function fetchPage(url, signal) {
  const response = await fetch(url, { signal, headers: { accept: "text/html" }, credentials: "same-origin", redirect: "error" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const html = await response.text();
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
}

class XModels extends HTMLElement {
  /** @type {AbortController | undefined} */ #request;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #listening = new AbortController();
  /** The query of the table that is shown, or asked for. */
  #search = location.search;

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.classList.add("ready");
    this.addEventListener("input", (event) => this.#owns(event.target) && this.#soon(), { signal });
    this.addEventListener("submit", (event) => {
      if (event.target !== this.#form) return;
      event.preventDefault();
      this.#typed();
    }, { signal });
    this.addEventListener("click", (event) => this.#clicked(event), { signal });
    addEventListener("popstate", () => this.#moved(), { signal });
    addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  disconnectedCallback() {
    this.#listening.abort();
    this.#request?.abort();
    clearTimeout(this.#timer);
  }

  get #form() {
    return /** @type {HTMLFormElement} */ (this.querySelector("form"));
  }

  /** @param {EventTarget | null} field whether it decides which rows there are; ticked rows belong to another form */
  #owns(field) {
    return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.form === this.#form : false;
  }

  #moved() {
    // A link to a place on this page (#models) comes by here too; to fetch for it would take the form away under
    // somebody who types.
    if (location.search !== this.#search) this.#load(new URL(location.href), "none", true);
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#typed(), DELAY_MS);
  }

  #typed() {
    clearTimeout(this.#timer);
    const url = new URL(this.#form.action);
    for (const [name, value] of new FormData(this.#form)) {
      if (typeof value === "string" && value.trim()) url.searchParams.set(name, value.trim());
    }
    this.#load(url, "replace", false);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = event.target instanceof Element ? event.target.closest("thead a, .pages a, .empty a") : null;
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!(link instanceof HTMLAnchorElement) || !plain) return;
    event.preventDefault();
    this.#load(new URL(link.href), "push", true);
    if (link.closest(".pages")) this.scrollIntoView();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const at = event.target instanceof Element ? event.target.closest("input, select, textarea") : null;
    if (event.key !== "/" || at || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    /** @type {HTMLInputElement} */ (this.#form.elements.namedItem("q")).focus();
  }

  /**
   * @param {URL} url
   * @param {"push" | "replace" | "none"} history_
   * @param {boolean} andForm whether the form, too, is to show what the server read from the URL
   */
  async #load(url, history_, andForm) {
    this.#request?.abort();
    this.#search = url.search;
    const request = (this.#request = new AbortController());
    try {
      const page = await fetchPage(url, request.signal);
      if (request.signal.aborted) return;
      if (history_ === "push") history.pushState(null, "", url);
      if (history_ === "replace") history.replaceState(null, "", url);
      this.#show(page, andForm);
    } catch (error) {
      if (request.signal.aborted) return;
      this.#say(`The table is not up to date: ${error instanceof Error ? error.message : error}`);
    }
  }

  /**
   * @param {Document} page
   * @param {boolean} andForm
   */
  #show(page, andForm) {
    const old = this.querySelector("#models-found");
    const found = page.querySelector("#models-found");
    const form = page.querySelector("x-models form");
    if (!old || !found || !form) return location.reload();
    const place = document.activeElement instanceof HTMLAnchorElement && old.contains(document.activeElement)
      ? document.activeElement.textContent : null;
    old.replaceWith(document.adoptNode(found));
    if (andForm) this.#form.replaceWith(document.adoptNode(form));
    for (const link of this.querySelectorAll("[data-export]")) {
      const fresh = page.querySelector(`[data-export="${link.getAttribute("data-export")}"]`);
      if (!fresh) continue;
      link.setAttribute("href", fresh.getAttribute("href") ?? "");
      link.toggleAttribute("hidden", fresh.hasAttribute("hidden")); // not every query has words for the API
    }
    this.dispatchEvent(new Event("x-models", { bubbles: true }));
    this.#say(page.querySelector("#models-count")?.textContent ?? "");
    if (place === null) return;
    // The link that was followed is gone; its successor takes the focus, so that keyboards stay where they were.
    const again = [...this.querySelectorAll("thead a, .pages a")].find((link) => link.textContent === place);
    if (again instanceof HTMLElement) again.focus({ preventScroll: true });
  }

  /** @param {string} text */
  #say(text) {
    const status = this.querySelector("#models-count");
    if (status) status.textContent = text;
  }
}

customElements.define("x-models", XModels);
