// @ts-check
/** The row above the answers: which model each pane asks, and how. */
import { useEffect, useId, useRef, useState } from "../vendor/preact-hooks.js";
import { html, money, short } from "./html.js";

/** @typedef {import("./tree.js").Pane} Pane */

/** @param {{room: import("./room.js").Room}} props */
export function Panes({ room }) {
  return html`
    <div class="panes">
      ${room.talk.panes.map((pane, index) => html`
        <div class="pane" key=${pane.id}>
          <${Picker} room=${room} pane=${pane} number=${index + 1} />
          ${pane.model && html`<button class="link star" aria-pressed=${room.choices.likes(pane.model)} aria-label=${`Favourite: ${pane.model}`} title="A favourite comes first in the list of models" onClick=${() => room.like(pane.model)}>${room.choices.likes(pane.model) ? "★" : "☆"}</button>`}
          ${!room.place.guest && html`<${Settings} room=${room} pane=${pane} />`}
          ${room.talk.panes.length > 1 && html`<button class="link" aria-label=${`Remove ${pane.model}`} onClick=${() => room.removePane(pane)}>Remove</button>`}
        </div>`)}
    </div>
  `;
}

/**
 * A button that opens a list with a search in it.
 * @param {{room: import("./room.js").Room, pane: Pane, number: number}} props
 */
function Picker({ room, pane, number }) {
  const [open, setOpen] = useState(false);
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const id = useId();
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const all = open ? room.choices.sorted(room.models).filter((each) => words.every((word) => `${each.id} ${each.name}`.toLowerCase().includes(word))) : [];
  const found = all.slice(0, 60);
  const name = room.models.find((each) => each.id === pane.model)?.name ?? pane.model;

  useEffect(() => {
    if (!open) return undefined;
    /** @param {PointerEvent} event */
    const outside = (event) => !place.current?.contains(/** @type {Node} */ (event.target)) && setOpen(false);
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  /** @param {any} model */
  const choose = (model) => {
    room.choose(pane, model.id);
    setOpen(false);
    setWanted("");
    place.current?.querySelector("button")?.focus();
  };
  /** @param {KeyboardEvent} event */
  const typed = (event) => {
    if (event.key === "Escape") setOpen(false);
    else if (event.key === "ArrowDown") setAt(Math.min(at + 1, found.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else if (event.key === "Enter" && found[at]) choose(found[at]);
    else return;
    event.preventDefault();
  };
  return html`
    <div class="picker" ref=${place}>
      <button class="btn small" aria-expanded=${open} aria-label=${`Model ${number}: ${name}`} onClick=${() => setOpen(!open)}>${name || "Choose a model"} <span aria-hidden="true">▾</span></button>
      ${open && html`
        <div class="menu card">
          <input role="combobox" aria-label="Search models" aria-expanded="true" aria-controls=${id} aria-activedescendant=${found[at] ? `${id}-${at}` : undefined} placeholder="Search models" value=${wanted}
            ref=${(/** @type {any} */ input) => input && document.activeElement !== input && input.focus()} onInput=${(/** @type {any} */ event) => (setWanted(event.target.value), setAt(0))} onKeyDown=${typed} />
          <ul role="listbox" id=${id} aria-label="Models">
            ${found.map((model, index) => html`
              <li role="option" id=${`${id}-${index}`} key=${model.id} aria-selected=${index === at} onClick=${() => choose(model)}>
                <span>${model.name}</span>
                <small class="num">${price(model)}</small>
                <small>${model.id} · ${short(model.context_length ?? 0)}</small>
                ${room.choices.word(model.id) && html`<small class="kept">${room.choices.likes(model.id) ? "★ " : ""}${room.choices.word(model.id)}</small>`}
              </li>`)}
          </ul>
          ${found.length === 0 && html`<p class="dim">${room.models.length ? "No model is called so." : "The list of models can't be had just now: reload the page."}</p>`}
          ${all.length > found.length && html`<p class="dim">${all.length - found.length} more: go on typing.</p>`}
        </div>`}
    </div>
  `;
}

/** @param {any} model */
function price(model) {
  const [input, output] = ["prompt", "completion"].map((side) => Number(model.pricing?.[side]) * 1e6 || 0);
  if (input < 0) return "as what it chooses";
  return input || output ? `${money(input)} / ${money(output)}` : "free";
}

const NUMBERS = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.1 },
  { name: "top_p", label: "Top P", min: 0, max: 1, step: 0.05 },
  { name: "max_tokens", label: "Tokens of an answer", min: 1, max: 1_000_000, step: 1 },
];

/** @param {{room: import("./room.js").Room, pane: Pane}} props */
function Settings({ room, pane }) {
  const [wrong, setWrong] = useState("");
  /**
   * @param {string} name
   * @param {any} value undefined: as the model has it
   */
  const set = (name, value) => {
    const { [name]: _, ...rest } = pane.params;
    room.change(() => (pane.params = value === undefined ? rest : { ...rest, [name]: value }));
  };
  /** @param {any} event */
  const provider = (event) => {
    try {
      const text = event.target.value.trim();
      const value = text ? JSON.parse(text) : undefined;
      if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value))) throw new Error("an object, please");
      set("provider", value);
      setWrong("");
    } catch (error) {
      setWrong(`Not used: ${error instanceof Error ? error.message : error}`);
    }
  };
  const count = Object.keys(pane.params).length + (pane.system.trim() ? 1 : 0);
  return html`
    <details class="settings" name="settings" onKeyDown=${(/** @type {any} */ event) => event.key === "Escape" && (event.preventDefault(), (event.currentTarget.open = false))}>
      <summary class="link" aria-label=${`Settings of ${pane.model}`}>Settings${count ? ` (${count})` : ""}</summary>
      <div class="menu card">
        <label class="field"><span>System prompt</span>
          <textarea rows="4" value=${pane.system} onInput=${(/** @type {any} */ event) => room.change(() => (pane.system = event.target.value))}></textarea></label>
        ${NUMBERS.map(({ name, label, ...bounds }) => html`
          <label class="field"><span>${label}</span>
            <input type="number" ...${bounds} placeholder="as the model has it" value=${pane.params[name] ?? ""} onChange=${(/** @type {any} */ event) => set(name, event.target.value === "" || !event.target.validity.valid ? undefined : Number(event.target.value))} /></label>`)}
        <label class="field"><span>Reasoning effort</span>
          <select value=${pane.params.reasoning?.effort ?? ""} onChange=${(/** @type {any} */ event) => set("reasoning", event.target.value ? { effort: event.target.value } : undefined)}>
            <option value="">as the model has it</option>
            ${["none", "minimal", "low", "medium", "high"].map((effort) => html`<option value=${effort}>${effort}</option>`)}
          </select></label>
        <label class="field"><span>Provider preferences, as JSON</span>
          <textarea rows="3" spellcheck="false" placeholder='{"sort": "price", "max_price": {"completion": 1}}' onChange=${provider}>${pane.params.provider ? JSON.stringify(pane.params.provider) : ""}</textarea></label>
        ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
      </div>
    </details>
  `;
}
