// @ts-check
/** What both elements for passkeys share: asking the server, and bytes as the text that JSON can hold. */

/** @param {string} text base64url */
export function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (each) => each.charCodeAt(0));
}

/** @param {ArrayBuffer} bytes */
export function textOf(bytes) {
  const plain = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * @param {string} url
 * @param {object} body
 * @param {string} [csrf] of who is signed in
 */
export async function ask(url, body, csrf) {
  const headers = { "content-type": "application/json", ...(csrf ? { "x-csrf-token": csrf } : {}) };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error.message);
  return told.data;
}

/**
 * What to tell somebody. Browsers say "not allowed" for "no", for "too late" and for "there is none".
 *
 * @param {unknown} error
 */
export function words(error) {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return "Nothing was done: there is no passkey for this site here, or it was called off.";
  if (name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (name === "SecurityError") return "Passkeys do not work at this address: open the site by its own name.";
  return error instanceof Error ? error.message : String(error);
}

/**
 * A button, and a place for what went wrong.
 *
 * @param {HTMLElement} place
 * @param {string} label
 * @param {() => Promise<void>} act
 */
export function button(place, label, act) {
  const wrong = document.createElement("p");
  wrong.className = "wrong";
  wrong.setAttribute("role", "alert");
  wrong.hidden = true;
  const made = document.createElement("button");
  made.type = "button";
  made.className = "btn";
  made.textContent = label;
  made.addEventListener("click", async () => {
    made.disabled = true;
    wrong.hidden = true;
    try {
      await act();
    } catch (error) {
      wrong.textContent = words(error);
      wrong.hidden = false;
    } finally {
      made.disabled = false;
    }
  });
  place.append(made, wrong);
}
