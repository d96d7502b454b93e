// Bars that all reach 100 %, one for each stretch of time: what share each part had.

import { mount } from "./chart.js";
import { HEIGHT_PX, legend, LEGEND_PX, stop, timeFrame } from "./frame.js";
import { clock, words } from "./scale.js";
import { svg } from "../elements.js";

/** spec: {title, summary, from_ms, to_ms, step_ms, parts: [name], rows: [{at_ms, shares: [0..1], text, href}]}. */
export function drawShares(figure, spec) {
  const rows = spec.rows.map((row) => [
    { text: clock(row.at_ms, spec.to_ms - spec.from_ms), href: row.href },
    ...row.shares.map((share) => words(share, "share")),
  ]);
  return mount(figure, { ...spec, table: { columns: ["From", ...spec.parts], rows } }, (width) => picture(width, spec));
}

function picture(width, spec) {
  const frame = timeFrame(width, { ...spec, high: 1, unit: "share" });
  const stops = spec.rows.map((row) => {
    const left = frame.x(row.at_ms), wide = Math.max(frame.x(row.at_ms + spec.step_ms) - left - 1, 1);
    let below = 0;
    const parts = row.shares.map((share, index) => {
      const top = frame.y(below + share), height = frame.y(below) - top;
      below += share;
      return svg("rect", { class: `part part-${index}`, x: left, y: top, width: wide, height });
    });
    return stop({ href: row.href, text: `${clock(row.at_ms, spec.to_ms - spec.from_ms)}: ${row.text}` }, ...parts);
  });
  return { height: HEIGHT_PX + LEGEND_PX, nodes: [...frame.nodes, ...stops, ...legend(spec.parts, width, "part part")], stops };
}
