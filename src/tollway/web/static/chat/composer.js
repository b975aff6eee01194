// @ts-check
/** Where one writes: Enter sends, Shift+Enter breaks the line; images and PDFs by button, paste, or dropped anywhere. */
import { useEffect, useRef, useState } from "../vendor/preact-hooks.js";
import { html } from "./html.js";

const KINDS = /^(image\/(png|jpeg|gif|webp)|application\/pdf)$/;
const BYTES_MAX = 20 * 1024 * 1024;

/** @typedef {import("./tree.js").Attachment} Attachment */

/** @param {{room: import("./room.js").Room}} props */
export function Composer({ room }) {
  const [text, setText] = useState("");
  const [files, setFiles] = useState(/** @type {Attachment[]} */ ([]));
  const [wrong, setWrong] = useState("");
  const [over, setOver] = useState(false);
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const chooser = useRef(/** @type {HTMLInputElement | null} */ (null));
  const waits = useCountdown(room.waitUntil);
  const { guest } = room.place;
  const ready = (text.trim() || files.length) && !room.busy && !waits && room.talk.panes.every((each) => each.model);

  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) area.current?.focus();
  }, [room.talk.id]);

  function send() {
    if (!ready) return;
    room.ask(text, files);
    setText("");
    setFiles([]);
    if (area.current) area.current.style.height = "";
  }
  /** @param {Iterable<File>} taken */
  async function attach(taken) {
    if (guest) return;
    try {
      const read = await Promise.all([...taken].map(attachment));
      setFiles((before) => [...before, ...read]);
      setWrong("");
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  }
  /** @param {KeyboardEvent} event */
  const typed = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  /** @param {any} event */
  const written = (event) => {
    setText(event.target.value);
    event.target.style.height = "auto";
    event.target.style.height = `${Math.min(event.target.scrollHeight + 2, 260)}px`;
  };
  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    /**
     * Files only: a text that is dragged goes where it is dropped.
     * @param {string} name
     * @param {(event: DragEvent) => void} take
     */
    const on = (name, take) =>
      addEventListener(name, (event) => {
        if (!(event instanceof DragEvent) || !event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault(); // or the browser would leave the page for the file
        take(event);
      }, { signal });
    on("dragover", () => setOver(!guest));
    on("dragleave", (event) => event.relatedTarget === null && setOver(false));
    on("drop", (event) => {
      setOver(false);
      void attach(event.dataTransfer?.files ?? []);
    });
    return () => listening.abort();
  }, []);
  /** @param {ClipboardEvent} event */
  const pasted = (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    void attach(event.clipboardData.files);
  };
  return html`
    <form class="composer card ${over ? "over" : ""}" aria-label="Message" onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), send())}>
      ${files.length > 0 && html`<ul class="attached">${files.map((file) => html`
        <li key=${file.url.length + file.name}><${Attached} file=${file} /><button type="button" class="link" aria-label=${`Remove ${file.name}`} onClick=${() => setFiles(files.filter((each) => each !== file))}>×</button></li>`)}</ul>`}
      ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
      <textarea ref=${area} rows="2" aria-label="Your message" placeholder="Ask something. Enter sends, Shift+Enter breaks the line." value=${text} onInput=${written} onKeyDown=${typed} onPaste=${pasted}></textarea>
      <div class="row">
        ${!guest && html`
          <button type="button" class="btn small" onClick=${() => chooser.current?.click()}>Attach</button>
          <input class="vh" type="file" tabindex="-1" multiple accept="image/png,image/jpeg,image/gif,image/webp,application/pdf" aria-label="Images and PDFs" ref=${chooser}
            onChange=${(/** @type {any} */ event) => (void attach([...event.target.files]), (event.target.value = ""))} />`}
        <span class="dim" role="status">${waits ? `You may ask again in ${waits} s.` : room.busy ? "Answering. Esc stops." : ""}</span>
        ${room.busy
          ? html`<button type="button" class="btn main" onClick=${() => room.stopAll()}>Stop</button>`
          : html`<button class="btn main" disabled=${!ready}>Send</button>`}
      </div>
    </form>
  `;
}

/** @param {{file: Attachment}} props */
export function Attached({ file }) {
  const picture = /^data:image\/(png|jpeg|gif|webp);/.test(file.url);
  return picture ? html`<img src=${file.url} alt=${file.name} />` : html`<span class="badge off">${file.name || "file"}</span>`;
}

/**
 * @param {File} file
 * @returns {Promise<Attachment>}
 */
function attachment(file) {
  if (!KINDS.test(file.type)) throw new Error(`${file.name}: images (PNG, JPEG, GIF, WebP) and PDFs can be attached.`);
  if (file.size > BYTES_MAX) throw new Error(`${file.name}: larger than 20 MB.`);
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ name: file.name, type: file.type, url: String(reader.result) });
    reader.onerror = () => reject(new Error(`${file.name} can't be read.`));
    reader.readAsDataURL(file);
  });
}

/**
 * @param {number} until milliseconds since 1970
 * @returns {number} whole seconds that are left
 */
function useCountdown(until) {
  const [, tick] = useState(0);
  const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  useEffect(() => {
    if (!left) return undefined;
    const timer = setTimeout(() => tick((count) => count + 1), 500);
    return () => clearTimeout(timer);
  });
  return left;
}
