// @ts-check
/** The list of conversations: search, rename, delete; from and to a file. */
import { useRef, useState } from "../vendor/preact-hooks.js";
import { announce, html, money } from "./html.js";
import { fromFile, toFile } from "./portable.js";
import { totals } from "./tree.js";

/** @param {{room: import("./room.js").Room, close: () => void}} props */
export function Sidebar({ room, close }) {
  const [wanted, setWanted] = useState("");
  const [renaming, setRenaming] = useState("");
  const [wrong, setWrong] = useState("");
  const chooser = useRef(/** @type {HTMLInputElement | null} */ (null));
  const found = room.talks.filter((talk) => holds(talk, wanted.trim().toLowerCase()));

  /** @param {Event} event */
  async function read(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    try {
      const talks = [];
      for (const file of input.files ?? []) talks.push(...fromFile(await file.text()));
      await room.take(talks);
      setWrong("");
      announce(`${talks.length} conversations imported`);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
    input.value = "";
  }

  return html`
    <nav class="side" aria-label="Conversations" id="conversations">
      <button class="btn main" onClick=${() => (room.renew(), close())}>New conversation</button>
      <input type="search" aria-label="Search conversations" placeholder="Search" value=${wanted} onInput=${(/** @type {any} */ event) => setWanted(event.target.value)} />
      <ol>
        ${found.map((talk) => html`
          <li key=${talk.id} class=${talk === room.talk ? "here" : ""}>
            ${renaming === talk.id
              ? html`<${Rename} room=${room} talk=${talk} done=${() => setRenaming("")} />`
              : html`
                <button class="open" aria-current=${talk === room.talk} onClick=${() => (room.show(talk), close())}>
                  <span>${talk.title || "Untitled"}</span><small class="num">${money(totals(talk).cost)}</small>
                </button>
                <span class="acts">
                  <button class="link" onClick=${() => setRenaming(talk.id)} aria-label=${`Rename ${talk.title}`}>Rename</button>
                  <button class="link" onClick=${() => save([talk], talk.title)} aria-label=${`Export ${talk.title}`}>Export</button>
                  <button class="link" onClick=${() => confirm(`Delete "${talk.title}"? It is nowhere else.`) && room.discard(talk)} aria-label=${`Delete ${talk.title}`}>Delete</button>
                </span>`}
          </li>`)}
      </ol>
      ${room.talks.length === 0 && html`<p class="dim">What you ask is listed here, in this browser alone. Export it to take it along.</p>`}
      ${room.talks.length > 0 && found.length === 0 && html`<p class="dim">Nothing holds “${wanted}”.</p>`}
      ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
      <div class="files">
        <button class="btn small" disabled=${!room.talks.length} onClick=${() => save(room.talks, "conversations")}>Export all</button>
        <button class="btn small" onClick=${() => chooser.current?.click()}>Import</button>
        <input class="vh" type="file" tabindex="-1" accept=".json,application/json" multiple aria-label="Files with conversations" ref=${chooser} onChange=${read} />
      </div>
    </nav>
  `;
}

/** @param {{room: import("./room.js").Room, talk: import("./tree.js").Conversation, done: () => void}} props */
function Rename({ room, talk, done }) {
  /** @param {Event} event */
  const keep = (event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const title = String(form.get("title")).trim();
    const before = room.talk;
    room.talk = talk;
    room.change(() => (talk.title = title || talk.title));
    room.talk = before;
    done();
  };
  return html`
    <form onSubmit=${keep}>
      <input name="title" aria-label="New name" maxlength="200" value=${talk.title} ref=${(/** @type {any} */ input) => input?.focus()} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (event.preventDefault(), done())} />
    </form>
  `;
}

/**
 * @param {import("./tree.js").Conversation} talk
 * @param {string} wanted in lower case
 */
function holds(talk, wanted) {
  if (!wanted || talk.title.toLowerCase().includes(wanted)) return true;
  return Object.values(talk.turns).some(
    (turn) =>
      turn.text.toLowerCase().includes(wanted) ||
      Object.values(turn.answers).flat().some((answer) => answer.text.toLowerCase().includes(wanted)),
  );
}

/**
 * A file for the reader to keep.
 * @param {import("./tree.js").Conversation[]} talks
 * @param {string} name
 */
function save(talks, name) {
  const url = URL.createObjectURL(new Blob([toFile(talks)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${name.replace(/[^\p{L}\p{N} _-]/gu, "").trim().slice(0, 60) || "conversation"}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
