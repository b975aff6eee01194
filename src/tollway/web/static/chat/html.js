// @ts-check
/** Preact with htm in place of JSX, and small components that several files use. */
import htm from "../vendor/htm.js";
import { h } from "../vendor/preact.js";
import { useLayoutEffect, useRef } from "../vendor/preact-hooks.js";
import { render } from "./markdown.js";

export const html = htm.bind(h);

/** @param {{text: string, done: boolean}} props */
export function Markdown({ text, done }) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => place.current?.replaceChildren(render(text, done)), [text, done]);
  return html`<div class="prose" ref=${place}></div>`;
}

/**
 * @param {number} dollars
 * @returns {string}
 */
export function money(dollars) {
  if (!dollars) return "$0";
  const digits = dollars >= 1 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(dollars)));
  return `$${dollars.toFixed(digits)}`;
}

/** @param {number} count */
export const short = (count) =>
  count < 1000 ? String(count) : count < 1e6 ? `${+(count / 1000).toFixed(1)}K` : `${+(count / 1e6).toFixed(1)}M`;

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/**
 * What happened, for who can't see it.
 * @param {string} text
 */
export function announce(text) {
  const place = document.getElementById("announcements");
  if (place) place.textContent = text;
}

/** @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
  } catch {
    announce("The browser did not let this page copy");
  }
}

/** @param {{label: string, at: number, count: number, go: (to: number) => void}} props */
export function Steps({ label, at, count, go }) {
  if (count < 2) return null;
  return html`
    <span class="steps num">
      <button class="link" aria-label=${`${label} before`} disabled=${at === 0} onClick=${() => go(at - 1)}>‹</button>
      ${at + 1} / ${count}
      <button class="link" aria-label=${`${label} after`} disabled=${at === count - 1} onClick=${() => go(at + 1)}>›</button>
    </span>
  `;
}
