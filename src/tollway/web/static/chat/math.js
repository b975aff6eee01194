// @ts-check
/**
 * Formulas between $$ $$, \[ \], \( \) and $ $: set by KaTeX as MathML, which browsers draw by themselves, so that no
 * font and no style has to be loaded. KaTeX itself is loaded with the first formula.
 */
import DOMPurify from "../vendor/dompurify.js";

const LONGEST = 5000;
const SHAPES = [
  { shape: "block", begins: /\$\$/, whole: /^\$\$([\s\S]+?)\$\$/ },
  { shape: "block", begins: /\\\[/, whole: /^\\\[([\s\S]+?)\\\]/ },
  { shape: "inline", begins: /\\\(/, whole: /^\\\(([\s\S]+?)\\\)/ },
  // Prices are no formulas: no space inside the marks, and no digit behind the second one.
  { shape: "inline", begins: /\$(?=\S)/, whole: /^\$([^\s$](?:[^$\n]*[^\s$\\])?)\$(?!\d)/ },
];

/** What marked wants to know of them. `escaped`: makes text fit for HTML. */
export const extensions = (/** @type {(text: string) => string} */ escaped) =>
  SHAPES.map(({ shape, begins, whole }, number) => ({
    name: `math${number}`,
    level: "inline",
    start: (/** @type {string} */ text) => text.match(begins)?.index,
    tokenizer(/** @type {string} */ text) {
      const found = whole.exec(text);
      return found && found[1].length <= LONGEST ? { type: `math${number}`, raw: found[0], text: found[1] } : undefined;
    },
    renderer: (/** @type {{text: string}} */ token) => `<span data-math="${shape}">${escaped(token.text)}</span>`,
  }));

/** @type {Promise<any> | null} */
let loading = null;

/**
 * Sets the formulas below a node; what is none for KaTeX stays as it was written.
 * @param {ParentNode} node
 */
export async function setFormulas(node) {
  const places = [...node.querySelectorAll("[data-math]")];
  if (!places.length) return;
  loading ??= import("../vendor/katex.js").then((module) => module.default);
  const katex = await loading;
  for (const place of places) {
    try {
      const displayMode = place.getAttribute("data-math") === "block";
      const made = katex.renderToString(place.textContent, { displayMode, output: "mathml", throwOnError: true, strict: "ignore", maxSize: 20 });
      // The policy of the page lets no style attributes in, and the annotation would be seen as text.
      const bare = made.replace(/ style="[^"]*"/g, "").replace(/<annotation[\s\S]*?<\/annotation>/g, "");
      const found = /** @type {any} */ (DOMPurify.sanitize(bare, { USE_PROFILES: { mathMl: true }, FORBID_ATTR: ["href", "style"], RETURN_DOM_FRAGMENT: true }));
      place.replaceChildren(document.importNode(found, true));
    } catch {
      place.classList.add("dim");
    }
  }
}
