// @ts-check
/**
 * <x-cap data-plan="plan" data-prices="in"> around the field of a price cap: a slider below it. Each of its steps is a
 * price that an endpoint of the plan has (`data-in` of the element `plan`), so that each leaves others; its end is no
 * cap. What it says is written into the field, as if typed.
 */

class XCap extends HTMLElement {
  /** @type {string[]} USD per 1M tokens, the lowest first */
  #prices = [];
  #range = document.createElement("input");
  #listening = new AbortController();

  connectedCallback() {
    const { signal } = (this.#listening = new AbortController());
    this.#range.type = "range";
    this.#range.min = "0";
    this.#range.setAttribute("aria-label", `Slider: ${this.querySelector("label span")?.textContent ?? ""}`);
    this.#range.addEventListener("input", (event) => {
      event.stopPropagation(); // the field says so itself
      this.#field.value = this.#prices[Number(this.#range.value)] ?? "";
      this.#field.dispatchEvent(new Event("input", { bubbles: true }));
    }, { signal });
    this.#field.addEventListener("input", () => this.#place(), { signal });
    document.addEventListener("x-swap", () => this.#read(), { signal });
    if (!this.#range.isConnected) this.append(this.#range);
    this.classList.add("ready");
    this.#read();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  get #field() {
    return /** @type {HTMLInputElement} */ (this.querySelector("label input"));
  }

  #read() {
    const said = document.getElementById(this.dataset.plan ?? "")?.getAttribute(`data-${this.dataset.prices}`) ?? "";
    this.#prices = said.split(" ").filter(Boolean);
    this.#range.max = String(this.#prices.length);
    this.#range.disabled = this.#prices.length === 0;
    this.#place();
  }

  /** Puts the slider where the field is: the last price within its cap. */
  #place() {
    const cap = this.#field.value.trim();
    const within = this.#prices.filter((price) => Number(price) <= Number(cap)).length;
    const at = cap === "" || Number.isNaN(Number(cap)) ? this.#prices.length : Math.max(0, within - 1);
    this.#range.value = String(at);
    this.#range.setAttribute("aria-valuetext", cap === "" ? "no cap" : `$${cap}`);
  }
}

customElements.define("x-cap", XCap);
