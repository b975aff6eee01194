// @ts-check
/**
 * <x-drawer> around a list: its links with `data-drawer` open what they lead to beside the list, from the same HTML.
 * Without this file, or with a modifier key, they are links.
 */

/** The page's one way from text to HTML: an answer of our own server, which escaped every value in it. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("app", {
  createHTML: (/** @type {string} */ html) => html,
});

class XDrawer extends HTMLElement {
  /** @type {HTMLDialogElement | undefined} */ #dialog;
  /** @type {AbortController | undefined} */ #request;

  connectedCallback() {
    this.addEventListener("click", (event) => this.#clicked(event));
  }

  disconnectedCallback() {
    this.#request?.abort();
    this.#dialog?.remove();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = event.target instanceof Element ? event.target.closest("a[data-drawer]") : null;
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!(link instanceof HTMLAnchorElement) || !plain) return;
    event.preventDefault();
    this.#open(link);
  }

  /** @param {HTMLAnchorElement} link */
  async #open(link) {
    this.#request?.abort();
    const request = (this.#request = new AbortController());
    try {
      const answer = await fetch(link.href, { signal: request.signal, headers: { accept: "text/html" }, redirect: "error" });
      const html = await answer.text();
      const page = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
      const content = answer.ok ? page.querySelector("[data-drawer-content]") : null;
      if (request.signal.aborted) return;
      if (!content) return location.assign(link.href);
      this.#show(document.adoptNode(content), link);
    } catch {
      if (!request.signal.aborted) location.assign(link.href);
    }
  }

  /**
   * @param {Element} content
   * @param {HTMLAnchorElement} link
   */
  #show(content, link) {
    this.#dialog?.remove();
    const dialog = (this.#dialog = document.createElement("dialog"));
    dialog.className = "drawer";
    dialog.setAttribute("aria-label", link.getAttribute("aria-label") ?? "Detail");
    const bar = document.createElement("p");
    bar.className = "close";
    const whole = document.createElement("a");
    whole.className = "btn";
    whole.href = link.href;
    whole.textContent = "Open as a page";
    const close = document.createElement("button");
    close.className = "btn";
    close.type = "button";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    bar.append(whole, " ", close);
    dialog.append(bar, content);
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => (dialog.remove(), link.focus()));
    document.body.append(dialog);
    dialog.showModal();
  }
}

customElements.define("x-drawer", XDrawer);
