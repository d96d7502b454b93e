// From figures to places, and the round figures that an axis names.

const MINUTE_MS = 60_000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS;
const TIME_STEPS_MS = [1_000, 5_000, 10_000, 30_000, MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS,
  30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS,
  14 * DAY_MS, 28 * DAY_MS];

/** The straight line through (from, start) and (to, end); everything lies at `start` where from equals to. */
export function linear(from, to, start, end) {
  const span = to - from;
  return (value) => (span === 0 ? start : start + ((value - from) / span) * (end - start));
}

/** Round figures from 0 up to at least `high`, at most `count` + 1 of them. */
export function ticks(high, count = 4) {
  if (!(high > 0) || !Number.isFinite(high)) return [0, 1];
  const rough = high / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough * (1 - 1e-9));
  const found = [];
  for (let index = 0; found.length === 0 || found[found.length - 1] < high * (1 - 1e-9); index += 1) {
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}

/** Moments between two that are round by the clock here, in milliseconds since 1970, at most `count` + 1. */
export function timeTicks(from_ms, to_ms, count) {
  const span = Math.max(to_ms - from_ms, 1);
  const step = TIME_STEPS_MS.find((each) => span / each <= count) ?? Math.ceil(span / count / DAY_MS) * DAY_MS;
  const shift = new Date(from_ms).getTimezoneOffset() * MINUTE_MS;
  const found = [];
  for (let at = Math.ceil((from_ms - shift) / step) * step + shift; at <= to_ms; at += step) found.push(at);
  return found;
}

/** A moment by the clock here, as short as a stretch of `span_ms` allows: 08:15:30, 08:15, 30 Nov 08:15 or 30 Nov. */
export function clock(at_ms, span_ms) {
  const at = new Date(at_ms), two = (number) => String(number).padStart(2, "0");
  const day = `${at.getDate()} ${MONTHS[at.getMonth()]}`, minute = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (span_ms >= 4 * DAY_MS) return day;
  if (span_ms > DAY_MS) return `${day} ${minute}`;
  return span_ms < 10 * MINUTE_MS ? `${minute}:${two(at.getSeconds())}` : minute;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A figure in words a reader can compare: 1.25 %, 12.4 ms, 1,250. */
export function words(value, unit) {
  if (value === null || value === undefined) return "no figure";
  if (unit === "share") return `${trimmed(value * 100)} %`;
  if (unit === "count") return Math.round(value).toLocaleString("en");
  return unit ? `${trimmed(value)} ${unit}` : trimmed(value);
}

function trimmed(value) {
  const size = Math.abs(value);
  const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 0.01 ? 2 : 4;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}
