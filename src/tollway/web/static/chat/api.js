// @ts-check
/**
 * What the room asks of the server, and what its refusals mean for the reader.
 *
 * @typedef {{status: number, message: string, todo: string, link?: string, waitS?: number}} Told
 * @typedef {{root: string, url: string, csrf: string, workspace: string, guest: boolean}} Place
 */
import { eventsOf } from "./sse.js";

/**
 * Sends a chat request, and calls `onChunk` with each chunk of its answer.
 * @param {Place} place
 * @param {any} body
 * @param {AbortSignal} signal
 * @param {(chunk: any) => void} onChunk
 * @throws {Refused}
 */
export async function chat(place, body, signal, onChunk) {
  const headers = { "content-type": "application/json", ...(place.csrf ? { "x-csrf-token": place.csrf } : {}) };
  const response = await fetch(place.url, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw await refusal(place, response);
  if (!response.body) throw new Refused(place, 502, "The server sent nothing.");
  try {
    for await (const data of eventsOf(response.body)) {
      if (data === "[DONE]") return;
      onChunk(JSON.parse(data));
    }
  } catch (error) {
    if (error instanceof Error && "status" in error) throw new Refused(place, Number(error.status), error.message);
    throw error;
  }
  throw new Refused(place, 502, "The connection ended before the answer did.");
}

/**
 * A list of the models that can be chosen, or [] where it can't be had.
 * @param {Place} place
 * @returns {Promise<any[]>}
 */
export async function models(place) {
  const response = await fetch(`${place.root}/api/v1/models`);
  return response.ok ? (await response.json()).data : [];
}

/**
 * Why an answer came from where it came: its record and its trace. Both are there a moment after the answer.
 * @param {Place} place
 * @param {string} id
 */
export async function route(place, id) {
  const name = encodeURIComponent(id);
  for (let tries = 0; ; tries++) {
    const paths = [`/account/v1/generation?id=${name}`, `/account/v1/generations/${name}/trace`];
    const [record, trace] = await Promise.all(paths.map((path) => fetch(place.root + path)));
    if (record.ok && trace.ok) return { record: (await record.json()).data, trace: (await trace.json()).data };
    if (record.status !== 404 || tries === 3) throw await refusal(place, record.ok ? trace : record);
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

/** An answer of the server that is none: what happened, and what to do. */
export class Refused extends Error {
  /**
   * @param {Place} place
   * @param {number} status
   * @param {string} message
   * @param {number} [waitS]
   */
  constructor(place, status, message, waitS) {
    super(message);
    /** @type {Told} */
    this.told = { status, message, ...todoOf(place, status, waitS), ...(waitS ? { waitS } : {}) };
  }
}

/**
 * @param {Place} place
 * @param {Response} response
 */
async function refusal(place, response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error.message || message;
  } catch {
    // a proxy's page: its status has to do
  }
  return new Refused(place, response.status, message, Number(response.headers.get("retry-after")) || undefined);
}

/**
 * @param {Place} place
 * @param {number} status
 * @param {number} [waitS]
 * @returns {{todo: string, link?: string}}
 */
function todoOf(place, status, waitS) {
  const { root, guest } = place;
  if (guest && (status === 401 || status === 402)) return { todo: "Guests can't go on just now: sign up", link: `${root}/sign-up` };
  switch (status) {
    case 401: return { todo: "Sign in again", link: `${root}/sign-in?next=/chat` };
    case 402: return { todo: "Add credits", link: `${root}/credits` };
    case 403: return { todo: "Reload the page, or look at your keys", link: `${root}/keys` };
    case 404: return { todo: "Choose another model." };
    case 413: return { todo: "Attach less, or begin a new conversation." };
    case 429: return { todo: waitS ? `Try again in ${waitS} s.` : "Wait a moment, then try again." };
    case 0: return { todo: "Check your connection, then try again." };
    default: return { todo: status >= 500 ? "Try again, or choose another model." : "Change the request, then send it again." };
  }
}
