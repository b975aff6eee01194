// @ts-check
/**
 * Model output as DOM: Markdown through marked, and whatever came of it through DOMPurify with a short list of what may
 * stay. HTML is shown as text, but for a few tags without attributes. Nothing loads by itself: an image is a button, a
 * link says where it leads. Highlighting comes last.
 */
import DOMPurify from "../vendor/dompurify.js";
import { Marked } from "../vendor/marked.js";
import { extensions, setFormulas } from "./math.js";

const TAGS = [
  "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "ol",
  "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const ATTRIBUTES = ["href", "title", "start", "colspan", "rowspan", "align", "data-lang", "data-image", "data-math"];
/** Attributes that hold no address, or one that is looked at below. */
const NO_ADDRESS = ["start", "colspan", "rowspan", "align", "data-lang", "data-image", "data-math"];
const POLICY = { RETURN_DOM_FRAGMENT: true, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false };

const marked = new Marked({
  gfm: true,
  breaks: true,
  extensions: extensions(escaped),
  renderer: {
    code: ({ text, lang }) => `<pre data-lang="${escaped((lang ?? "").split(/\s/)[0])}"><code>${escaped(text)}</code></pre>`,
    html: ({ text }) => text.split(/(<\/?(?:br|sub|sup|kbd|b|i|em|strong|s|del)\s*\/?>)/i).map((part, at) => (at % 2 ? part : escaped(part))).join(""),
    image: ({ href, text }) => `<span data-image="${escaped(href)}">${escaped(text)}</span>`,
  },
});

/** @type {any} */
let highlighter = null;

/** Loads the highlighter, once somebody has shown code. */
async function loaded() {
  highlighter ??= import("../vendor/highlight.js").then((module) => module.default);
  return highlighter;
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
}

/**
 * @param {string} text what a model said
 * @param {boolean} done whether no more comes: code is coloured then
 * @returns {DocumentFragment}
 */
export function render(text, done) {
  let html;
  try {
    html = /** @type {string} */ (marked.parse(text));
  } catch {
    html = `<p>${escaped(text)}</p>`;
  }
  const found = /** @type {any} */ (
    DOMPurify.sanitize(html, {
      ...POLICY,
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ATTRIBUTES,
      ADD_URI_SAFE_ATTR: NO_ADDRESS,
      ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
    })
  );
  const fragment = /** @type {DocumentFragment} */ (document.importNode(found, true));
  for (const link of fragment.querySelectorAll("a")) lead(link);
  for (const image of fragment.querySelectorAll("[data-image]")) offer(image);
  for (const block of fragment.querySelectorAll("pre")) frame(block, done);
  if (done) setFormulas(fragment).catch(() => {});
  for (const table of fragment.querySelectorAll("table")) scroll(table);
  return fragment;
}

/** @param {HTMLAnchorElement} link */
function lead(link) {
  if (!link.hasAttribute("href")) return;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
}

/**
 * An image of a model: a picture inside the text is shown at a click, one of another site is a link.
 * @param {Element} place
 */
function offer(place) {
  const source = place.getAttribute("data-image") ?? "";
  const name = place.textContent || "image";
  place.removeAttribute("data-image");
  if (/^data:image\/(png|jpeg|gif|webp);base64,/.test(source)) {
    place.replaceChildren(button(`Show the image: ${name}`, () => place.replaceChildren(picture(source, name))));
    return;
  }
  let host = "";
  try {
    const url = new URL(source);
    if (/^https?:$/.test(url.protocol)) host = url.host;
  } catch {
    // no address: its name has to do
  }
  if (!host) {
    place.textContent = `[${name}]`;
    return;
  }
  const link = document.createElement("a");
  link.href = source;
  link.textContent = `Image at ${host}: ${name}`;
  lead(link);
  place.replaceChildren(link);
}

/**
 * @param {string} source
 * @param {string} name
 */
export function picture(source, name) {
  const image = document.createElement("img");
  image.src = source;
  image.alt = name;
  return image;
}

/**
 * @param {string} label
 * @param {() => void} act
 */
function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "btn small";
  made.textContent = label;
  made.addEventListener("click", act);
  return made;
}

/**
 * A block of code, with its language and a button that copies it.
 * @param {HTMLPreElement} block
 * @param {boolean} done
 */
function frame(block, done) {
  const code = block.querySelector("code");
  if (!code) return;
  const language = (block.dataset.lang ?? "").toLowerCase().slice(0, 30);
  const figure = document.createElement("figure");
  const head = document.createElement("figcaption");
  const label = document.createElement("span");
  const copy = button("Copy", async () => {
    await navigator.clipboard?.writeText(code.textContent ?? "");
    copy.textContent = "Copied";
  });
  label.textContent = language || "text";
  head.append(label, copy);
  block.tabIndex = 0;
  block.replaceWith(figure);
  figure.append(head, block);
  if (done && language) loaded().then((hljs) => colour(hljs, code, language)).catch(() => {});
}

/**
 * @param {any} hljs
 * @param {HTMLElement} code
 * @param {string} language
 */
function colour(hljs, code, language) {
  const text = code.textContent ?? "";
  if (!hljs.getLanguage(language) || text.length > 100_000) return;
  const { value } = hljs.highlight(text, { language, ignoreIllegals: true });
  const found = /** @type {any} */ (DOMPurify.sanitize(value, { ...POLICY, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] }));
  code.replaceChildren(document.importNode(found, true));
}

/** @param {HTMLTableElement} table */
function scroll(table) {
  const wrap = document.createElement("div");
  wrap.className = "scroll";
  table.replaceWith(wrap);
  wrap.append(table);
}
