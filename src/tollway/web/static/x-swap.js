// @ts-check
/**
 * <x-swap data-part="id"> around a form and the part of the page that it decides: as one moves something in the form,
 * the part is fetched anew, and `x-swap` is told. Its `[data-said]` is read out, or its error. A field with `data-empty` is sent when
 * it is empty, too. Without scripts the form's own button does the same with a page load.
 */

const DELAY_MS = 120;

/** An answer of our own server, which escaped every value in it. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("app", {
  createHTML: (/** @type {string} */ html) => html,
});

class XSwap extends HTMLElement {
  /** @type {AbortController | undefined} */ #request;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  connectedCallback() {
    this.classList.add("ready");
    this.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#load(), DELAY_MS);
    });
  }

  async #load() {
    const form = this.querySelector("form");
    const old = document.getElementById(this.dataset.part ?? "");
    if (!form || !old) return;
    this.#request?.abort();
    const { signal } = (this.#request = new AbortController());
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) {
      const field = form.elements.namedItem(name);
      const kept = field instanceof HTMLElement && field.dataset.empty !== undefined;
      if (typeof value === "string" && (value || kept)) url.searchParams.append(name, value);
    }
    try {
      const response = await fetch(url, { signal, headers: { accept: "text/html" }, redirect: "error" });
      const html = await response.text();
      const page = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
      const fresh = page.getElementById(old.id);
      if (signal.aborted || !fresh) return;
      old.replaceWith(document.adoptNode(fresh));
      const [files, newer] = [document, page].map((each) => each.querySelector("p.files"));
      if (files && newer) files.replaceWith(document.adoptNode(newer));
      const [place, said] = [document.getElementById("announcements"), fresh.querySelector("[data-said], [role=alert]")];
      if (place && said) place.textContent = said.textContent;
      history.replaceState(null, "", url);
      this.dispatchEvent(new Event("x-swap", { bubbles: true }));
    } catch {
      // The part stays as it was; the form's button still works.
    }
  }
}

customElements.define("x-swap", XSwap);
