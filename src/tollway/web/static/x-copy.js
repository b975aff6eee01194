// @ts-check
/**
 * <x-copy data-from="id of an element"> or <x-copy data-text="text">: a button that copies. Without scripts it is
 * nothing, and takes no place that it would need.
 */

const SVG = "http://www.w3.org/2000/svg";
const DONE_MS = 1600;

/** @param {string} text */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers keep navigator.clipboard from plain HTTP; there the older way still works.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("the browser did not copy");
}

class XCopy extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const button = document.createElement("button");
    button.type = "button";
    const label = this.dataset.label ?? "Copy";
    button.title = label;
    button.setAttribute("aria-label", label);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", "#i-copy");
    svg.append(use);
    button.append(svg);
    button.addEventListener("click", () => this.#copy(button, use));
    this.append(button);
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {SVGUseElement} use
   */
  async #copy(button, use) {
    const source = this.dataset.from;
    const text = source ? document.getElementById(source)?.textContent : this.dataset.text;
    let said = "Copied";
    try {
      await copy(text ?? "");
      use.setAttribute("href", "#i-done");
      button.classList.add("done");
    } catch {
      said = "The browser did not allow copying: select the text instead";
    }
    button.focus();
    const status = document.getElementById("announcements");
    if (status) status.textContent = said;
    setTimeout(() => {
      use.setAttribute("href", "#i-copy");
      button.classList.remove("done");
      if (status) status.textContent = "";
    }, DONE_MS);
  }
}

customElements.define("x-copy", XCopy);
