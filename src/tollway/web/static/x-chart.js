// @ts-check
/**
 * <x-chart data-table="id of a table"> around a chart that the server drew: the same stacked bars, or lines
 * (data-kind="lines"), with a reading of what is below the pointer. The figures are the table's; without this file the
 * server's drawing stays.
 */

import uPlot from "./vendor/uplot.js";

const HEIGHT = 190;
const NANO = 1e9;

/** @typedef {{ labels: string[], names: string[], values: (number | null)[][], texts: string[][], totals: string[] }} Figures */

/**
 * @param {HTMLTableElement} table
 * @param {boolean} summed whether its last column is the sum of the others
 * @returns {Figures}
 */
function read(table, summed) {
  const names = [...table.tHead?.rows[0].cells ?? []].slice(1, summed ? -1 : undefined).map((cell) => cell.textContent ?? "");
  const rows = [...table.tBodies[0].rows];
  const cells = rows.map((row) => [...row.cells]);
  return {
    labels: cells.map((row) => row[0].textContent ?? ""),
    names,
    values: names.map((_, at) => cells.map((row) => (row[at + 1].dataset.value ? Number(row[at + 1].dataset.value) : null))),
    texts: names.map((_, at) => cells.map((row) => row[at + 1].textContent ?? "")),
    totals: cells.map((row) => row[row.length - 1].textContent ?? ""),
  };
}

/**
 * @param {number} value
 * @param {string} unit "nano" for nanodollars, or what `web/lines.py` says
 */
function short(value, unit) {
  const shown = unit === "nano" ? value / NANO : unit === "%" ? value * 100 : value;
  const text = shown.toLocaleString("en", { notation: shown < 10_000 ? "standard" : "compact", maximumSignificantDigits: 3 });
  return unit === "nano" || unit === "$" ? `$${text}` : unit === "s" ? `${text} s` : `${text}${unit}`;
}

class XChart extends HTMLElement {
  /** @type {any} */ #chart;
  /** @type {HTMLElement | undefined} */ #box;
  /** @type {HTMLElement | undefined} */ #reading;
  #seen = new ResizeObserver(() => this.#resize());
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #again = () => this.#draw();

  get #lines() {
    return this.dataset.kind === "lines";
  }

  connectedCallback() {
    this.#draw();
    this.#seen.observe(this);
    this.#scheme.addEventListener("change", this.#again);
  }

  disconnectedCallback() {
    this.#seen.disconnect();
    this.#scheme.removeEventListener("change", this.#again);
    this.#chart?.destroy();
  }

  #resize() {
    if (this.#chart && this.#chart.width !== this.clientWidth && this.clientWidth > 0) {
      this.#chart.setSize({ width: this.clientWidth, height: HEIGHT });
    }
  }

  #draw() {
    const table = document.getElementById(this.dataset.table ?? "");
    if (!(table instanceof HTMLTableElement)) return;
    const figures = read(table, !this.#lines);
    this.#chart?.destroy();
    if (!this.#box || !this.#reading) {
      this.#box = document.createElement("div");
      this.#box.setAttribute("aria-hidden", "true");
      this.#reading = document.createElement("p");
      this.#reading.className = "reading";
      this.#reading.setAttribute("aria-hidden", "true");
      this.append(this.#box, this.#reading);
      this.classList.add("live");
    }
    this.#say(figures, null);
    this.#chart = new uPlot(this.#options(figures), this.#data(figures), this.#box);
  }

  /** Each series stands on those before it; the highest is drawn first, so that the others cover it.
   * @param {Figures} figures */
  #data(figures) {
    if (this.#lines) return [figures.labels.map((_, at) => at), ...figures.values];
    const sums = figures.labels.map(() => 0);
    const stacked = figures.values.map((line) => line.map((value, at) => (sums[at] += value ?? 0)));
    return [figures.labels.map((_, at) => at), ...stacked.reverse()];
  }

  /** @param {Figures} figures */
  #options(figures) {
    const unit = this.dataset.kind === "money" ? "nano" : this.dataset.unit ?? "";
    const style = getComputedStyle(this);
    const dim = getComputedStyle(/** @type {Element} */ (this.querySelector(".plot"))).color;
    const swatches = [...this.parentElement?.querySelectorAll(".legend rect") ?? []];
    const colors = swatches.map((each) => getComputedStyle(each).fill);
    const grid = { stroke: "rgb(128 128 128 / .18)", width: 1 };
    const axis = { stroke: dim, font: `12px ${style.fontFamily}`, ticks: { show: false } };
    const bars = uPlot.paths.bars({ size: [0.74, 64] });
    const drawn = "steps" in this.dataset ? uPlot.paths.stepped({ align: 1 }) : undefined;
    const series = this.#lines
      ? figures.names.map((label, at) => ({ label, stroke: colors[at], width: 1.6, spanGaps: false, ...(drawn ? { paths: drawn } : {}) }))
      : [...figures.names].map((label, at) => ({ label, fill: colors[at], stroke: colors[at], width: 0, paths: bars, points: { show: false } })).reverse();
    return {
      width: this.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { points: { show: false }, drag: { x: false, y: false }, y: false },
      scales: { x: { time: false, range: [-0.6, figures.labels.length - 0.4] }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ top) => [0, top ? top * 1.06 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 90, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((each) => figures.labels[each] ?? "") },
        { ...axis, grid, size: 64, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((each) => short(each, unit)) },
      ],
      series: [{}, ...series],
      hooks: { setCursor: [(/** @type {any} */ chart) => this.#say(figures, chart.cursor.idx ?? null)] },
    };
  }

  /**
   * @param {Figures} figures
   * @param {number | null} at
   */
  #say(figures, at) {
    if (!this.#reading) return;
    const shown = (/** @type {number | null} */ value) => (this.#lines ? value !== null : Boolean(value));
    const parts = at === null ? [] : figures.names.map((name, each) => [name, each]).filter(([, each]) => shown(figures.values[Number(each)][at]));
    if (this.#lines && at !== null) {
      const said = parts.map(([name, each]) => `${name} ${figures.texts[Number(each)][at]}`).join(", ");
      this.#reading.textContent = `${figures.labels[at]}: ${said || "nothing was measured"}`;
      return;
    }
    this.#reading.textContent = at === null
      ? `Point at ${this.#lines ? "a time" : "a bar"}, or tap it, to read its figures.`
      : `${figures.labels[at]}: ${figures.totals[at]}${parts.length > 1 ? ` (${parts.map(([name, each]) => `${name} ${figures.texts[Number(each)][at]}`).join(", ")})` : ""}`;
  }
}

customElements.define("x-chart", XChart);
