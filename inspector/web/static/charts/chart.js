// Puts one chart into a figure: title, picture, the words of the point in focus, and the same figures as a table.

import { connect } from "./stops.js";
import { element, svg } from "../elements.js";
import { newId } from "./ids.js";

const SLOWEST_REDRAW_MS = 120;

/**
 * `draw(width_px)` gives {height, nodes, stops}; `table` is {columns, rows}, a row's cells being text or
 * {text, href}. Returns {close}, which ends following the figure's width.
 */
export function mount(figure, { title, summary, table }, draw) {
  const caption = element("figcaption", { class: "chart-title" }, title);
  const picture = element("div", { class: "chart-picture" });
  const reading = element("p", { class: "chart-reading", "aria-hidden": "true" }, summary);
  figure.classList.add("chart");
  const open = figure.querySelector(".chart-figures")?.open ?? false;
  figure.replaceChildren(caption, picture, reading, tableOf(title, table, open));
  const tell = (text) => { reading.textContent = text; };
  const redraw = () => paint(picture, { title, summary }, draw, tell);
  redraw();
  return follow(picture, redraw);
}

/** Says in a figure why it has no picture: no figures in this range, or an archive that is away. */
export function say(figure, title, text) {
  figure.classList.add("chart");
  figure.replaceChildren(element("figcaption", { class: "chart-title" }, title), element("p", { class: "chart-empty" }, text));
}

function paint(picture, { title, summary }, draw, tell) {
  const width = Math.max(picture.clientWidth, 240);
  const titleId = newId("chart-title"), summaryId = newId("chart-summary");
  const { height, nodes, stops } = draw(width);
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`, width, height, role: stops.length ? "group" : "img",
    "aria-labelledby": titleId, "aria-describedby": summaryId,
  }, svg("title", { id: titleId }, title), svg("desc", { id: summaryId }, summary), ...nodes);
  const focused = picture.contains(document.activeElement) ? document.activeElement.dataset.stop : null;
  stops.forEach((stop, index) => { stop.dataset.stop = index; });
  connect(stops, tell);
  picture.replaceChildren(drawing);
  if (focused !== null && focused !== undefined) stops[Number(focused)]?.focus();
}

function follow(picture, redraw) {
  let width = picture.clientWidth, timer = 0;
  const watcher = new ResizeObserver(() => {
    if (picture.clientWidth === width) return;
    width = picture.clientWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, SLOWEST_REDRAW_MS);
  });
  watcher.observe(picture);
  return { close: () => { clearTimeout(timer); watcher.disconnect(); } };
}

function tableOf(title, { columns, rows }, open) {
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, index) => cellOf(cell, index))));
  const table = element("table", {}, element("caption", {}, title), element("thead", {}, head), element("tbody", {}, ...body));
  const scroller = element("div", { class: "chart-table", tabindex: "0", role: "region", "aria-label": `${title}: table` }, table);
  const details = element("details", { class: "chart-figures" }, element("summary", {}, "These figures as a table"), scroller);
  details.open = open;
  return details;
}

function cellOf(cell, index) {
  const content = typeof cell === "object" && cell !== null ? element("a", { href: cell.href }, cell.text) : String(cell ?? "");
  return index === 0 ? element("th", { scope: "row" }, content) : element("td", {}, content);
}
