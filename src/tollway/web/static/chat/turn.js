// @ts-check
/** One turn: what was asked, and beside each other what every pane's model answered. */
import { useState } from "../vendor/preact-hooks.js";
import { AnswerView } from "./answer_view.js";
import { Attached } from "./composer.js";
import { Steps, copyText, html } from "./html.js";
import { chosen, siblings } from "./tree.js";

/** @param {{room: import("./room.js").Room, turn: import("./tree.js").Turn, draw: () => void}} props */
export function TurnView({ room, turn, draw }) {
  return html`
    <article class="turn" aria-label="Turn">
      <${Prompt} room=${room} turn=${turn} />
      <div class="answers">
        ${room.talk.panes.map((pane) => html`
          <section class="answer" key=${pane.id} aria-label=${`Answer of ${chosen(turn, pane.id)?.model ?? pane.model}`}>
            ${chosen(turn, pane.id)
              ? html`<${AnswerView} room=${room} turn=${turn} pane=${pane} answer=${chosen(turn, pane.id)} draw=${draw} />`
              : html`<button class="btn small" onClick=${() => room.answer(turn, pane)}>Ask ${pane.model}</button>`}
          </section>`)}
      </div>
    </article>
  `;
}

/** @param {{room: import("./room.js").Room, turn: import("./tree.js").Turn}} props */
function Prompt({ room, turn }) {
  const [editing, setEditing] = useState(false);
  const beside = siblings(room.talk, turn);
  const at = beside.indexOf(turn);
  /** @param {number} to */
  const go = (to) => room.change(() => (room.talk.active[turn.parent] = beside[to].id));
  /** @param {Event} event */
  const send = (event) => {
    event.preventDefault();
    const text = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("text"));
    setEditing(false);
    if (text.trim() || turn.files.length) room.ask(text, turn.files, turn.parent);
  };
  if (editing) {
    return html`
      <form class="prompt editing" onSubmit=${send}>
        <textarea name="text" aria-label="Edit the prompt" rows="4" value=${turn.text} ref=${(/** @type {any} */ area) => area?.focus()}
          onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (event.preventDefault(), setEditing(false))}></textarea>
        <div class="row"><button class="btn small main" disabled=${room.busy}>Send as a branch</button><button type="button" class="btn small" onClick=${() => setEditing(false)}>Cancel</button></div>
      </form>`;
  }
  return html`
    <div class="prompt">
      ${turn.files.length > 0 && html`<div class="attached">${turn.files.map((file) => html`<${Attached} file=${file} />`)}</div>`}
      ${turn.text && html`<p>${turn.text}</p>`}
      <div class="acts">
        <${Steps} label="Branch" at=${at} count=${beside.length} go=${go} />
        <button class="link" onClick=${() => copyText(turn.text)}>Copy</button>
        <button class="link" disabled=${room.busy} onClick=${() => setEditing(true)}>Edit</button>
        <button class="link" onClick=${() => room.remove(turn)}>Delete</button>
      </div>
    </div>
  `;
}
