// @ts-check
/** <x-passkey-new data-at="URL" data-csrf="token">: a name and a button that make a passkey for who is signed in. */
import { ask, button, bytesOf, textOf } from "./passkeys.js";

class XPasskeyNew extends HTMLElement {
  connectedCallback() {
    if (this.firstChild) return;
    if (!window.PublicKeyCredential) {
      this.textContent = "This browser knows no passkeys, or the page was not opened by https.";
      return;
    }
    const label = document.createElement("label");
    label.className = "field";
    const said = document.createElement("span");
    said.textContent = "Name of the new passkey";
    const name = document.createElement("input");
    name.maxLength = 60;
    name.autocomplete = "off";
    name.placeholder = "my laptop";
    label.append(said, name);
    this.append(label);
    button(this, "Add a passkey", () => this.#make(name.value));
  }

  /** @param {string} name */
  async #make(name) {
    const { at = "", csrf = "" } = this.dataset;
    const { state, options } = await ask(`${at}/new/challenge`, {}, csrf);
    const known = /** @type {{ id: string }[]} */ (options.excludeCredentials);
    const publicKey = {
      ...options,
      challenge: bytesOf(options.challenge),
      user: { ...options.user, id: bytesOf(options.user.id) },
      excludeCredentials: known.map((each) => ({ ...each, id: bytesOf(each.id) })),
    };
    const made = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey }));
    const response = /** @type {AuthenticatorAttestationResponse} */ (made.response);
    const credential = {
      id: made.id,
      rawId: textOf(made.rawId),
      type: made.type,
      response: {
        clientDataJSON: textOf(response.clientDataJSON),
        attestationObject: textOf(response.attestationObject),
      },
    };
    await ask(at, { state, credential, name }, csrf);
    location.reload();
  }
}

customElements.define("x-passkey-new", XPasskeyNew);
