// How many pieces had which score, with the limits for PASS and FAIL as lines.

import { mount } from "./chart.js";
import { columnFrame, HEIGHT_PX, label, stop } from "./frame.js";
import { words } from "./scale.js";
import { svg } from "../elements.js";

/** spec: {title, summary, bins: [{low, high, count, text, href}], marks: [{at, name}]}; bins have one width from 0 to 1. */
export function drawHistogram(figure, spec) {
  const rows = spec.bins.filter((bin) => bin.count).map((bin) => [
    { text: `${words(bin.low)} to ${words(bin.high)}`, href: bin.href }, words(bin.count, "count"),
  ]);
  return mount(figure, { ...spec, table: { columns: ["Score", "Pieces"], rows } }, (width) => picture(width, spec));
}

function picture(width, { bins, marks }) {
  const frame = columnFrame(width, { count: bins.length, high: Math.max(...bins.map((bin) => bin.count)), unit: "count" });
  const x = (score) => frame.left(score * bins.length);
  const filled = bins.map((bin, index) => ({ bin, index })).filter(({ bin }) => bin.count > 0);
  const stops = filled.map(({ bin, index }) => {
    const top = Math.min(frame.y(bin.count), frame.base - 2);
    const area = svg("rect", { class: "area", x: frame.left(index), y: 12, width: frame.step, height: frame.base - 12 });
    const bar = { class: "column", x: frame.left(index) + 1, y: top, width: Math.max(frame.step - 2, 1), height: frame.base - top };
    return stop(bin, area, svg("rect", bar));
  });
  const ends = [0, 0.25, 0.5, 0.75, 1].map((score) => label(x(score), HEIGHT_PX - 8, String(score), "middle"));
  return { height: HEIGHT_PX, nodes: [...frame.nodes, ...ends, ...stops, ...marks.flatMap((mark, index) => markOf(mark, x, frame, index))], stops };
}

// The names of two limits that lie close stand on two lines.
function markOf({ at, name }, x, { base }, index) {
  const anchor = at > 0.6 ? "end" : "start";
  return [
    svg("line", { class: "limit limit-high", x1: x(at), x2: x(at), y1: 6, y2: base }),
    label(x(at) + (anchor === "start" ? 4 : -4), 16 + 15 * index, name, anchor),
  ];
}
