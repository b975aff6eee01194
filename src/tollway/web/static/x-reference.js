// @ts-check
/**
 * <x-reference data-spec="/openapi.json" data-root="">: Swagger UI in place of the plain list in its <noscript>. Requests
 * go to the address that the page was loaded from, whatever the document names: the page's policy allows no other.
 */

import DOMPurify from "./vendor/dompurify.js";

/** @typedef {{ (options: object): unknown, presets: { apis: unknown } }} Bundle */

// Swagger UI makes HTML of strings. On this page, and on no other, they pass through here: what could run is cut.
const types = Reflect.get(window, "trustedTypes");
types?.createPolicy("default", { createHTML: (/** @type {string} */ html) => String(DOMPurify.sanitize(html)) });

/**
 * What operations are gathered under: "/api/v1/keys" -> "/api/v1".
 * @param {string} path
 */
const familyOf = (path) => path.match(/^(\/[a-z]+)?\/(api\/)?v1(beta)?(?=\/)/)?.[0] ?? "/";

class XReference extends HTMLElement {
  async connectedCallback() {
    const bundle = /** @type {Bundle | undefined} */ (Reflect.get(window, "SwaggerUIBundle"));
    if (!bundle) return;
    const answer = await fetch(this.dataset.spec ?? "");
    if (!answer.ok) return;
    const spec = await answer.json();
    spec.servers = [{ url: location.origin + (this.dataset.root ?? "") }];
    for (const [path, item] of Object.entries(spec.paths))
      for (const operation of Object.values(item)) operation.tags ??= [familyOf(path)];
    const place = document.createElement("div");
    place.className = "reference";
    this.replaceChildren(place);
    new MutationObserver(() => this.#name(place)).observe(place, { childList: true, subtree: true });
    this.#follow(matchMedia("(prefers-color-scheme: dark)"));
    bundle({
      spec,
      domNode: place,
      presets: [bundle.presets.apis],
      deepLinking: false,
      docExpansion: "list",
      defaultModelsExpandDepth: -1,
      filter: true,
      validatorUrl: null,
      persistAuthorization: false,
      syntaxHighlight: { activated: false },
    });
  }

  /**
   * Fields of Swagger UI that say what they are to who sees them only.
   * @param {HTMLElement} place
   */
  #name(place) {
    for (const field of place.querySelectorAll("input:not([aria-label]), select:not([aria-label]), textarea:not([aria-label])"))
      field.setAttribute("aria-label", field.getAttribute("placeholder") ?? "Value");
  }

  /** @param {MediaQueryList} dark */
  #follow(dark) {
    const set = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
    dark.addEventListener("change", set);
    set();
  }
}

customElements.define("x-reference", XReference);
