// @ts-check
/** Why an answer came from where it came: the attempts as a waterfall, the candidates in order, and who was left out. */
import { useEffect, useState } from "../vendor/preact-hooks.js";
import { route } from "./api.js";
import { html, money } from "./html.js";

/** Candidates that are shown at once: most plans end with the first. */
const FIRST = 5;

/** @param {any} each */
const candidate = (each) => html`<li><code>${each.endpoint_id}</code> <small>${each.reason}</small></li>`;

/** @param {any} each */
const ruledOut = (each) => html`<li><code>${each.endpoint_id}</code> <small>${each.rule}: ${each.reason}</small></li>`;

/** @param {{place: import("./api.js").Place, id: string}} props */
export function Why({ place, id }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    route(place, id).then(setFound, (error) => setWrong(`${error.message} Close this and open it again.`));
  }, [id]);
  if (wrong) return html`<p class="wrong" role="alert">${wrong}</p>`;
  if (!found) return html`<p class="dim">Looking it up …</p>`;
  const { record, trace } = found;
  const whole = Math.max(record.generation_time ?? 0, ...trace.attempts.map((/** @type {any} */ each) => each.began_ms + (each.latency_ms ?? 0)), 1);
  return html`
    <div class="why card" role="region" aria-label="Why this route">
      <h2>Attempts</h2>
      <ol class="waterfall">
        ${trace.attempts.map((/** @type {any} */ each, /** @type {number} */ index) => html`
          <li class=${each.outcome === "succeeded" ? "up" : "down"}>
            <span>${each.provider_name}</span>
            <${Bar} each=${each} end=${index + 1 < trace.attempts.length ? each.began_ms + (each.latency_ms ?? 0) : whole} whole=${whole} />
            <span class="num">${each.latency_ms === null ? "no answer" : `${each.latency_ms} ms`}</span>
            <small>${[each.outcome, each.status, each.message].filter(Boolean).join(" · ")}</small>
          </li>`)}
      </ol>
      <h2>Plan</h2>
      <ol class="plan">${trace.candidates.slice(0, FIRST).map(candidate)}</ol>
      ${trace.candidates.length > FIRST && html`
        <details><summary>${trace.candidates.length - FIRST} more would have been asked after these</summary><ol class="plan">${trace.candidates.slice(FIRST).map(candidate)}</ol></details>`}
      ${trace.left_out.length > 0 && html`
        <details><summary>${trace.left_out.length} left out by this request</summary><ul class="plan">${trace.left_out.map(ruledOut)}</ul></details>`}
      <p class="dim"><span class="num">${money(record.total_cost)}</span> · <a href=${`${place.root}/logs/${encodeURIComponent(record.id)}`}>The whole record</a></p>
    </div>
  `;
}

/** @param {{each: any, end: number, whole: number}} props */
function Bar({ each, end, whole }) {
  const left = (each.began_ms / whole) * 100;
  const first = each.began_ms + (each.latency_ms ?? 0);
  /** @param {number} ms */
  const width = (ms) => Math.max(0.5, (ms / whole) * 100);
  return html`
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="first" x=${left} y="1" width=${width(first - each.began_ms)} height="6" />
      ${end > first && html`<rect class="rest" x=${left + width(first - each.began_ms)} y="1" width=${width(end - first)} height="6" />`}
    </svg>
  `;
}
