// @ts-check
/**
 * <x-try data-at="URL" data-from="id">: a button that asks the URL with the key that stands in an element of the page,
 * and shows what came back. The key goes nowhere else and is kept nowhere. Without scripts there is no button.
 */

class XTry extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn";
    button.textContent = "Test it now";
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    const body = document.createElement("pre");
    body.tabIndex = 0;
    body.hidden = true;
    body.setAttribute("aria-label", "What came back");
    button.addEventListener("click", async () => {
      button.disabled = true;
      said.textContent = "Asking…";
      const found = await this.#ask();
      said.textContent = found.words;
      body.textContent = found.body;
      body.hidden = found.body === "";
      button.disabled = false;
    });
    this.append(button, said, body);
  }

  /** @returns {Promise<{words: string, body: string}>} */
  async #ask() {
    const secret = document.getElementById(this.dataset.from ?? "")?.textContent?.trim() ?? "";
    try {
      const response = await fetch(this.dataset.at ?? "", {
        headers: { authorization: `Bearer ${secret}`, accept: "application/json" },
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
      });
      const answer = await response.json();
      if (response.ok) return { words: `${response.status}: it works.`, body: JSON.stringify(answer.data, null, 2) };
      return { words: `${response.status}: ${answer.error?.message ?? "refused"}`, body: "" };
    } catch {
      return { words: "The server could not be asked. Try again.", body: "" };
    }
  }
}

customElements.define("x-try", XTry);
