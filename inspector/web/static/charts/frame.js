// Axes and grid of a chart, and the mark that a reader can point at, focus and open.

import { clock, linear, ticks, timeTicks, words } from "./scale.js";
import { svg } from "../elements.js";

const LEFT_PX = 58, RIGHT_PX = 14, TOP_PX = 12, BOTTOM_PX = 28, PX_PER_TIME_TICK = 96;

export const HEIGHT_PX = 240, LEGEND_PX = 20;

/** Where figures from 0 to `high` and moments lie in a picture of this width, with the lines and words around. */
export function timeFrame(width, { from_ms, to_ms, high, unit }) {
  const x = linear(from_ms, to_ms, LEFT_PX, width - RIGHT_PX);
  const { y, nodes } = valueAxis(width, high, unit);
  const count = Math.max(Math.floor((width - LEFT_PX) / PX_PER_TIME_TICK), 2);
  for (const at of timeTicks(from_ms, to_ms, count)) {
    nodes.push(svg("line", { class: "tick", x1: x(at), x2: x(at), y1: HEIGHT_PX - BOTTOM_PX, y2: HEIGHT_PX - BOTTOM_PX + 4 }));
    nodes.push(label(x(at), HEIGHT_PX - 8, clock(at, to_ms - from_ms), "middle"));
  }
  return { x, y, nodes };
}

/** Places for `count` columns side by side. */
export function columnFrame(width, { count, high, unit }) {
  const { y, nodes } = valueAxis(width, high, unit);
  const step = (width - LEFT_PX - RIGHT_PX) / Math.max(count, 1);
  return { y, nodes, step, left: (index) => LEFT_PX + index * step, base: HEIGHT_PX - BOTTOM_PX };
}

function valueAxis(width, high, unit) {
  const marks = ticks(high), y = linear(0, marks[marks.length - 1], HEIGHT_PX - BOTTOM_PX, TOP_PX);
  const nodes = marks.flatMap((value) => [
    svg("line", { class: "grid", x1: LEFT_PX, x2: width - RIGHT_PX, y1: y(value), y2: y(value) }),
    label(LEFT_PX - 6, y(value) + 4, words(value, unit), "end"),
  ]);
  return { y, nodes };
}

export function label(x, y, text, anchor = "start") {
  return svg("text", { class: "label", x, y, "text-anchor": anchor }, text);
}

/** `shapes` as one link (or one plain stop where nothing lies behind), read out as `text`. */
export function stop({ href, text }, ...shapes) {
  const name = href ? "a" : "g";
  const attributes = { class: "stop", "aria-label": text, href, role: href ? "link" : "img" };
  return svg(name, attributes, svg("title", {}, text), ...shapes);
}

/** What each colour means, below the picture; `kind` is the class of the marks, which their number is added to. */
export function legend(names, width, kind) {
  const step = Math.min((width - LEFT_PX) / Math.max(names.length, 1), 150);
  return names.flatMap((name, index) => [
    svg("rect", { class: `${kind}-${index}`, x: LEFT_PX + index * step, y: HEIGHT_PX + 4, width: 11, height: 11 }),
    label(LEFT_PX + index * step + 15, HEIGHT_PX + 14, name),
  ]);
}
