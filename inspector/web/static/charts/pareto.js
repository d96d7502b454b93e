// Bars from the most frequent to the rarest, and the line of their running share.

import { mount } from "./chart.js";
import { columnFrame, HEIGHT_PX, label, stop } from "./frame.js";
import { linear, words } from "./scale.js";
import { svg } from "../elements.js";

const PX_PER_LETTER = 7;

/** spec: {title, summary, bars: [{name, count, share, running, text, href}]}, most frequent first. */
export function drawPareto(figure, spec) {
  const rows = spec.bars.map((bar) => [
    { text: bar.name, href: bar.href }, words(bar.count, "count"), words(bar.share, "share"), words(bar.running, "share"),
  ]);
  const table = { columns: ["Class", "Pieces", "Share", "Running share"], rows };
  return mount(figure, { ...spec, table }, (width) => picture(width, spec));
}

function picture(width, { bars }) {
  const frame = columnFrame(width, { count: bars.length, high: Math.max(...bars.map((bar) => bar.count)), unit: "count" });
  const running = linear(0, 1, frame.base, frame.y(0) - (frame.base - 12));
  const stops = bars.map((bar, index) => {
    const left = frame.left(index) + frame.step * 0.12, top = frame.y(bar.count);
    const area = svg("rect", { class: "area", x: frame.left(index), y: 12, width: frame.step, height: frame.base - 12 });
    const shape = svg("rect", { class: "column", x: left, y: top, width: frame.step * 0.76, height: Math.max(frame.base - top, 1) });
    return stop(bar, area, shape);
  });
  const names = bars.map((bar, index) =>
    label(frame.left(index) + frame.step / 2, HEIGHT_PX - 8, shortened(bar.name, frame.step), "middle"));
  const places = bars.map((bar, index) => `${frame.left(index) + frame.step / 2} ${running(bar.running)}`);
  const lines = ["halo", "line running"].map((kind) => svg("path", { class: kind, d: `M${places.join("L")}` }));
  return { height: HEIGHT_PX, nodes: [...frame.nodes, ...names, ...stops, ...lines], stops };
}

/** As much of a name as fits; the whole name is in the words of the bar and in the table. */
function shortened(name, step) {
  const room = Math.floor(step / PX_PER_LETTER);
  const letters = [...name];
  return letters.length <= room ? name : room < 3 ? "" : `${letters.slice(0, room - 1).join("")}…`;
}
