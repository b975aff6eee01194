// @ts-check
/**
 * <x-secret> around a field: puts what stands after # in the address into it and out of sight. No server or referrer
 * ever sees a fragment; it is kept for this tab, in case one has to sign in first, and taken out of the address.
 */

class XSecret extends HTMLElement {
  connectedCallback() {
    const field = this.querySelector("input");
    const slot = `secret of ${location.pathname === "/sign-up" ? "/join" : location.pathname}`;
    const secret = location.hash.slice(1) || (sessionStorage.getItem(slot) ?? "");
    if (!field || !secret) return;
    sessionStorage.setItem(slot, secret);
    if (location.hash) history.replaceState(null, "", location.pathname + location.search);
    field.value = secret;
    this.hidden = true;
    // A secret that was refused would be refused again: let another be pasted.
    if (document.querySelector(".wrong")) {
      sessionStorage.removeItem(slot);
      this.hidden = false;
    }
  }
}

customElements.define("x-secret", XSecret);
