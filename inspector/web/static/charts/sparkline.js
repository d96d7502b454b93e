// A line without axes, as high as a word: the course of one figure.

import { linear } from "./scale.js";
import { svg } from "../elements.js";
import { newId } from "./ids.js";

/** The picture of `values` (null leaves a gap), read out as `text`. */
export function sparkline(values, text, { width = 96, height = 24 } = {}) {
  const known = values.filter((value) => value !== null);
  const id = newId("spark");
  const x = linear(0, Math.max(values.length - 1, 1), 2, width - 2);
  const y = linear(Math.min(...known, 0), Math.max(...known, Number.MIN_VALUE), height - 2, 2);
  let path = "", pen = "M";
  values.forEach((value, index) => {
    if (value === null) { pen = "M"; return; }
    path += `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  return svg("svg", { class: "sparkline", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": id },
    svg("title", { id }, text), path ? svg("path", { class: "line series-0", d: path }) : null);
}
