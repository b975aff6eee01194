// @ts-check
/** Server-sent events out of bytes, however they were cut (HTML Standard, 9.2.6): each event's data, as text. */

export class SseReader {
  #decoder = new TextDecoder();
  #rest = "";
  /** @type {string[]} */
  #data = [];

  /**
   * @param {Uint8Array} bytes
   * @returns {string[]} the data of every event that is complete now
   */
  feed(bytes) {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const found = [];
    for (;;) {
      const end = this.#rest.search(/\r\n|\n|\r/);
      // A "\r" at the very end may be the first half of "\r\n".
      if (end < 0 || (this.#rest[end] === "\r" && end + 1 === this.#rest.length)) return found;
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
      if (line) this.#take(line);
      else if (this.#data.length) found.push(this.#data.splice(0).join("\n"));
    }
  }

  /** @param {string} line */
  #take(line) {
    if (line === "data") this.#data.push("");
    else if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
  }
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<string>} the data of each event; it ends with the stream
 */
export async function* eventsOf(stream) {
  const reader = stream.getReader();
  const parser = new SseReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
