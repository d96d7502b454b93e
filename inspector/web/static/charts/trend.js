// Lines over time, with control limits where there are some. A point outside them is a diamond, not only another colour.

import { mount } from "./chart.js";
import { HEIGHT_PX, legend, LEGEND_PX, stop, timeFrame } from "./frame.js";
import { clock, words } from "./scale.js";
import { svg } from "../elements.js";

/**
 * spec: {title, summary, unit, from_ms, to_ms, series: [{name, points: [{at_ms, value, text, href, flagged}]}],
 * limits: [{at_ms, low, centre, high}]}; `value` null leaves a gap.
 */
export function drawTrend(figure, spec) {
  return mount(figure, { ...spec, table: tableOf(spec) }, (width) => picture(width, spec));
}

function picture(width, spec) {
  const limits = spec.limits ?? [];
  const values = spec.series.flatMap((each) => each.points.map((point) => point.value ?? 0));
  const high = Math.max(...values, ...limits.map((limit) => limit.high), 0);
  const frame = timeFrame(width, { ...spec, high });
  const span = spec.to_ms - spec.from_ms, stops = [];
  for (const [index, { points }] of spec.series.entries()) {
    frame.nodes.push(...linesOf(points, frame, index));
    stops.push(...points.filter((point) => point.value !== null).map((point) => mark(point, frame, index, span)));
  }
  const names = spec.series.length > 1 ? spec.series.map((each) => each.name) : [];
  frame.nodes.push(...limitsOf(limits, frame), ...stops, ...legend(names, width, "point series"));
  return { height: HEIGHT_PX + (names.length ? LEGEND_PX : 0), nodes: frame.nodes, stops };
}

function mark(point, { x, y }, index, span) {
  const at = { x: x(point.at_ms), y: y(point.value) };
  const area = svg("circle", { class: "area", cx: at.x, cy: at.y, r: 11 });
  const shape = point.flagged
    ? svg("path", { class: "point flagged", d: `M${at.x} ${at.y - 7}l7 7l-7 7l-7 -7z` })
    : svg("circle", { class: `point series-${index}`, cx: at.x, cy: at.y, r: 3 });
  return stop({ href: point.href, text: `${clock(point.at_ms, span)}: ${point.text}` }, area, shape);
}

/** One path for each unbroken run of points. */
function linesOf(points, { x, y }, index) {
  const runs = [[]];
  for (const point of points) {
    if (point.value === null) runs.push([]);
    else runs[runs.length - 1].push(`${x(point.at_ms).toFixed(1)} ${y(point.value).toFixed(1)}`);
  }
  return runs.filter((run) => run.length > 1).map((run) => svg("path", { class: `line series-${index}`, d: `M${run.join("L")}` }));
}

function limitsOf(limits, { x, y }) {
  if (limits.length < 2) return [];
  return ["low", "centre", "high"].map((which) => {
    const steps = limits.map((limit) => `${x(limit.at_ms).toFixed(1)} ${y(limit[which]).toFixed(1)}`);
    return svg("path", { class: `limit limit-${which}`, d: `M${steps.join("L")}` });
  });
}

function tableOf({ series, limits, unit, to_ms, from_ms }) {
  const moments = series[0]?.points ?? [];
  const columns = ["From", ...series.map((each) => each.name), ...(limits ? ["Lower limit", "Mean", "Upper limit"] : [])];
  const rows = moments.map((moment, index) => [
    { text: clock(moment.at_ms, to_ms - from_ms), href: moment.href ?? "#" },
    ...series.map((each) => words(each.points[index]?.value, unit)),
    ...(limits ? ["low", "centre", "high"].map((which) => words(limits[index]?.[which], unit)) : []),
  ]);
  return { columns, rows };
}
