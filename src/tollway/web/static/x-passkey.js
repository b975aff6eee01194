// @ts-check
/**
 * <x-passkey data-at="URL" data-next="page">: signs in by a passkey, by its button or by what the browser offers in
 * the field for the e-mail address.
 */
import { ask, button, bytesOf, textOf } from "./passkeys.js";

const RENEW_MS = 4 * 60_000; // a challenge is good for five minutes

class XPasskey extends HTMLElement {
  /** @type {AbortController | undefined} */
  #offer;

  connectedCallback() {
    if (this.firstChild || !window.PublicKeyCredential) return;
    button(this, "Sign in with a passkey", async () => {
      this.#offer?.abort();
      await this.#signIn();
    });
    this.#offerOne();
  }

  /** Passkeys among what the browser fills in. It waits until somebody chooses one. */
  async #offerOne() {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    const offer = new AbortController();
    this.#offer = offer;
    const renew = setTimeout(() => {
      offer.abort();
      this.#offerOne();
    }, RENEW_MS);
    try {
      await this.#signIn(offer.signal);
    } catch {
      // Called off, or refused: the button says why.
    } finally {
      clearTimeout(renew);
    }
  }

  /** @param {AbortSignal} [signal] of an offer */
  async #signIn(signal) {
    const at = this.dataset.at ?? "";
    const { state, options } = await ask(`${at}/challenge`, {});
    const publicKey = { ...options, challenge: bytesOf(options.challenge) };
    const wanted = signal ? { publicKey, signal, mediation: /** @type {const} */ ("conditional") } : { publicKey };
    const found = /** @type {PublicKeyCredential} */ (await navigator.credentials.get(wanted));
    const response = /** @type {AuthenticatorAssertionResponse} */ (found.response);
    const credential = {
      id: found.id,
      rawId: textOf(found.rawId),
      type: found.type,
      response: {
        clientDataJSON: textOf(response.clientDataJSON),
        authenticatorData: textOf(response.authenticatorData),
        signature: textOf(response.signature),
        userHandle: textOf(response.userHandle ?? new ArrayBuffer(0)),
      },
    };
    await ask(at, { state, credential });
    location.assign(this.dataset.next ?? "/");
  }
}

customElements.define("x-passkey", XPasskey);
