// @ts-check
/** The whole room: the list of conversations, the panes, the turns, and where one writes. */
import { useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact-hooks.js";
import { Composer } from "./composer.js";
import { announce, html, money, short } from "./html.js";
import { Panes } from "./panes.js";
import { Sidebar } from "./sidebar.js";
import { path, totals } from "./tree.js";
import { TurnView } from "./turn.js";

/** @param {{room: import("./room.js").Room, draw: () => void}} props */
export function App({ room, draw }) {
  const [drawer, setDrawer] = useState(/** @type {"" | "button" | "input"} what in it has the focus; "": it is shut */ (""));
  const [help, setHelp] = useState(false);
  const { talk, place } = room;
  useKeys(room, {
    close: () => setDrawer(""),
    help: () => setHelp(true),
    search: () => {
      const field = /** @type {HTMLElement | null} */ (document.querySelector("#conversations input"));
      if (field?.checkVisibility({ visibilityProperty: true })) field.focus();
      else setDrawer("input");
    },
  });
  useEffect(() => {
    if (drawer) /** @type {HTMLElement | null} */ (document.querySelector(`#conversations ${drawer}`))?.focus();
  }, [drawer]);
  const columns = { "--panes": String(talk.panes.length) };
  return html`
    <div class="chat ${place.guest ? "guest" : ""} ${drawer ? "drawn" : ""}">
      ${!place.guest && html`<${Sidebar} room=${room} close=${() => setDrawer("")} />`}
      ${drawer && html`<button class="veil" aria-label="Close the list" onClick=${() => setDrawer("")}></button>`}
      <section class="talk" aria-label="Conversation">
        <${Head} room=${room} open=${() => setDrawer("button")} help=${() => setHelp(true)} />
        ${room.trouble && html`<p class="wrong" role="alert">${room.trouble}</p>`}
        <${Lines} room=${room} columns=${columns} draw=${draw} />
        ${room.undo && html`<${Undo} room=${room} />`}
        <${Composer} room=${room} />
      </section>
      ${help && html`<${Help} guest=${place.guest} close=${() => setHelp(false)} />`}
    </div>
  `;
}

/** @param {{room: import("./room.js").Room, open: () => void, help: () => void}} props */
function Head({ room, open, help }) {
  const { talk, place } = room;
  const sum = totals(talk);
  return html`
    <header class="talkhead">
      ${!place.guest && html`<button class="btn small listbutton" onClick=${open}>Conversations</button>`}
      <h1>${talk.title || (place.guest ? "Playground" : "New conversation")}</h1>
      ${sum.answers > 0 && html`<span class="sum num" title="All answers of this conversation, on every branch">${short(sum.tokens)} tokens · ${money(sum.cost)}</span>`}
      ${!place.guest && html`<button class="btn small" disabled=${talk.panes.length >= 6} onClick=${() => room.addPane()}>Add a model</button>`}
      <button class="btn small" aria-keyshortcuts="Control+Shift+O" onClick=${() => room.renew()}>New</button>
      <button class="btn small" aria-label="Keyboard shortcuts" aria-keyshortcuts="?" onClick=${help}>?</button>
    </header>
  `;
}

/** @param {{room: import("./room.js").Room, columns: Record<string, string>, draw: () => void}} props */
function Lines({ room, columns, draw }) {
  const { talk } = room;
  const turns = path(talk);
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const atEnd = useRef(true);
  const follow = () => {
    const box = scroller.current;
    if (box) atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  };
  useLayoutEffect(() => {
    if (atEnd.current && scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  });
  useEffect(() => {
    atEnd.current = true;
  }, [talk.id, turns.length]);
  return html`
    <div class="lines" ref=${scroller} onScroll=${follow} style=${columns} tabindex="0" role="region" aria-label="Prompts and answers">
      <${Panes} room=${room} />
      ${turns.length === 0 && html`<${Welcome} room=${room} />`}
      ${turns.map((turn) => html`<${TurnView} key=${turn.id} room=${room} turn=${turn} draw=${draw} />`)}
    </div>
  `;
}

/** @param {{room: import("./room.js").Room}} props */
function Undo({ room }) {
  const button = useRef(/** @type {HTMLElement | null} */ (null));
  const words = room.undo?.words ?? "";
  useEffect(() => {
    button.current?.focus();
    announce(words);
  }, [room.undo]);
  return html`<p class="undo">${words} <button class="link" ref=${button} onClick=${() => room.takeBack()}>Undo</button></p>`;
}

const IDEAS = [
  "Explain how a router chooses between two providers of the same model.",
  "Write a Python function that merges overlapping intervals, with tests.",
  "Summarise the trade-offs between latency and price in three sentences.",
];

/** @param {{room: import("./room.js").Room}} props */
function Welcome({ room }) {
  return html`
    <div class="welcome">
      <p class="dim">${room.place.guest ? "Ask a model something: no account needed." : "Ask one model, or several side by side. Conversations stay in this browser."}</p>
      <div class="ideas">
        ${IDEAS.map((idea) => html`<button class="btn" onClick=${() => room.ask(idea, [])}>${idea}</button>`)}
      </div>
    </div>
  `;
}

/** Keys, what they do, and whether guests have that, too. @type {[string, string, boolean][]} */
const KEYS = [
  ["Enter", "sends", true],
  ["Shift + Enter", "breaks the line", true],
  ["Esc", "stops what is being answered, or closes the list", true],
  ["Ctrl or ⌘ + Shift + O", "begins a new conversation", true],
  ["Ctrl or ⌘ + K", "searches the conversations", false],
  ["?", "shows this list, where nothing is typed", true],
];
/** @param {{guest: boolean, close: () => void}} props */
function Help({ guest, close }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  return html`
    <dialog class="card help" aria-label="Keyboard shortcuts" ref=${dialog} onClose=${close}>
      <h2>Keyboard shortcuts</h2>
      <dl>${KEYS.filter(([, , all]) => all || !guest).map(([key, does]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}</dl>
      <button class="btn" onClick=${() => dialog.current?.close()}>Close</button>
    </dialog>
  `;
}

/**
 * What keys do wherever one is; letters alone only where nothing is typed.
 * @param {import("./room.js").Room} room
 * @param {{close: () => void, help: () => void, search: () => void}} does
 */
function useKeys(room, does) {
  useEffect(() => {
    /** @param {KeyboardEvent} event */
    const pressed = (event) => {
      if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
      const held = (event.ctrlKey || event.metaKey) && !event.altKey;
      if (event.key === "Escape") return room.busy ? room.stopAll() : does.close();
      if (held && event.shiftKey && event.key.toLowerCase() === "o") room.renew();
      else if (held && !event.shiftKey && event.key.toLowerCase() === "k" && !room.place.guest) does.search();
      else if (event.key === "?" && !typing && !held) does.help();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
