// @ts-check
/** One answer: its reasoning folded, its text, tool calls and sources; below it what it took, and why it went where. */
import { useState } from "../vendor/preact-hooks.js";
import { costOf, isOpen } from "./answer.js";
import { Markdown, Steps, copyText, html, money, seconds, short } from "./html.js";
import { picture } from "./markdown.js";
import { Why } from "./why.js";

const SAID = { stopped: "Stopped.", interrupted: "The page was closed before the answer was complete." };

/**
 * @param {{room: import("./room.js").Room, turn: import("./tree.js").Turn, pane: import("./tree.js").Pane,
 *   answer: import("./answer.js").Answer, draw: () => void}} props
 */
export function AnswerView({ room, turn, pane, answer }) {
  const [why, setWhy] = useState(false);
  const open = isOpen(answer);
  const several = turn.answers[pane.id];
  const at = several.indexOf(answer);
  return html`
    <div class="who"><span>${answer.model}</span>${answer.provider && html`<span class="dim"> · ${answer.provider}</span>`}</div>
    <div class="said" aria-live="polite" aria-busy=${open}>
      ${answer.reasoning && html`
        <details class="reasoning"><summary>${open && !answer.text ? "Reasoning …" : "Reasoning"}</summary><p>${answer.reasoning}</p></details>`}
      ${answer.text && html`<${Markdown} text=${answer.text} done=${!open} />`}
      ${answer.images.map((source) => html`<${Picture} source=${source} />`)}
      ${answer.tools.map((call) => html`<${Call} call=${call} />`)}
      ${answer.state === "waiting" && html`<p class="dim waiting">Waiting for the first words</p>`}
      ${answer.sources.length > 0 && html`
        <ol class="sources" aria-label="Sources">${answer.sources.map((each) => html`<li><${Source} ...${each} /></li>`)}</ol>`}
    </div>
    ${answer.state in SAID && html`<p class="dim">${SAID[/** @type {"stopped"} */ (answer.state)]}</p>`}
    ${answer.error && html`
      <p class="wrong" role="alert">${answer.error.message} ${answer.error.link
        ? html`<a href=${answer.error.link}>${answer.error.todo}</a>.`
        : answer.error.todo}</p>`}
    <footer class="foot-note">
      <${Numbers} answer=${answer} />
      <span class="acts">
        <${Steps} label="Answer" at=${at} count=${several.length} go=${(/** @type {number} */ to) => room.change(() => (turn.chosen[pane.id] = to))} />
        ${open
          ? html`<button class="link" aria-label=${`Stop ${answer.model}`} onClick=${() => room.stop(answer.id)}>Stop</button>`
          : html`
            <button class="link" onClick=${() => copyText(answer.text)}>Copy</button>
            <button class="link" onClick=${() => room.answer(turn, pane)}>Regenerate</button>`}
        ${!open && answer.generation && !room.place.guest && html`<button class="link" aria-expanded=${why} onClick=${() => setWhy(!why)}>Why this route?</button>`}
      </span>
    </footer>
    ${why && html`<${Why} place=${room.place} id=${answer.generation} />`}
  `;
}

/** @param {{answer: import("./answer.js").Answer}} props */
function Numbers({ answer }) {
  const { usage, firstMs, totalMs } = answer;
  const parts = [];
  if (usage) parts.push(`${short(usage.prompt_tokens ?? 0)} in, ${short(usage.completion_tokens ?? 0)} out`);
  if (usage) parts.push(money(costOf(answer)));
  if (firstMs !== null) parts.push(`first token ${seconds(firstMs)}`);
  if (firstMs !== null && totalMs !== null && usage?.completion_tokens && totalMs > firstMs) {
    parts.push(`${Math.round((usage.completion_tokens * 1000) / (totalMs - firstMs))} tok/s`);
  }
  if (answer.finish === "length") parts.push("cut at the limit of tokens");
  return html`<span class="num dim">${parts.join(" · ")}</span>`;
}

/** @param {{call: {name: string, arguments: string}}} props */
function Call({ call }) {
  let shown = call.arguments;
  try {
    shown = JSON.stringify(JSON.parse(call.arguments), null, 2);
  } catch {
    // not whole yet, or no JSON: as it came
  }
  return html`<div class="call card"><p><span class="badge">tool call</span> <code>${call.name}</code></p><pre tabindex="0">${shown}</pre></div>`;
}

/** @param {{url: string, title: string}} props */
function Source({ url, title }) {
  return /^https?:\/\//i.test(url) ? html`<a href=${url} target="_blank" rel="noopener noreferrer nofollow">${title}</a>` : title;
}

/** @param {{source: string}} props */
function Picture({ source }) {
  if (!/^data:image\/(png|jpeg|gif|webp);base64,/.test(source)) return html`<p class="dim">An image that is not shown here.</p>`;
  return html`<div class="picture" ref=${(/** @type {HTMLElement | null} */ place) => place && !place.firstChild && place.append(picture(source, "Image of the answer"))}></div>`;
}
