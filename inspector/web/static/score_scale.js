// The defect score against both limits, on a scale that gives small and large probabilities room (log-odds).
import { element, svg } from "./elements.js";

const WIDTH = 600, HEIGHT = 76, TOP = 30, BAND = 18;
const REACH = Math.log(0.999 / 0.001);

export class ScoreScale {
  #zones = ["pass", "review", "fail"].map((word) => svg("rect", { class: `zone ${word}`, y: TOP, height: BAND }));
  #limits = [0, 1].map(() => svg("line", { class: "limit", y1: TOP - 5, y2: TOP + BAND + 5 }));
  #labels = [0, 1].map(() => svg("text", { class: "label", y: TOP + BAND + 24, "text-anchor": "middle" }));
  #marker = svg("path", { class: "marker", d: `M0 ${TOP + BAND - 2}l-11 -20h22z` });
  #value = svg("text", { class: "value", y: TOP - 8, "text-anchor": "middle" });
  #none = element("p", { class: "absent" }, "no score");

  constructor() {
    this.svg = svg("svg", { class: "scale", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
      ...this.#zones, ...this.#limits, ...this.#labels, this.#marker, this.#value);
    this.node = element("div", {}, this.svg, this.#none);
  }

  show({ score, pass_below, fail_above }) {
    const hasScore = score !== null, hasLimits = pass_below !== null && fail_above !== null;
    this.svg.toggleAttribute("hidden", !hasScore);
    this.#none.hidden = hasScore;
    if (!hasScore) return;
    const ends = hasLimits ? [place(pass_below), place(fail_above)] : [0, WIDTH];
    [[0, ends[0]], ends, [ends[1], WIDTH]].forEach(([from, to], i) => {
      this.#zones[i].setAttribute("x", from);
      this.#zones[i].setAttribute("width", Math.max(0, to - from));
    });
    [pass_below, fail_above].forEach((limit, i) => {
      const shown = hasLimits ? "" : "none";
      this.#limits[i].style.display = this.#labels[i].style.display = shown;
      if (!hasLimits) return;
      this.#limits[i].setAttribute("x1", ends[i]);
      this.#limits[i].setAttribute("x2", ends[i]);
      this.#labels[i].setAttribute("x", inside(ends[i]));
      this.#labels[i].textContent = `${i === 0 ? "good below" : "defective above"} ${digits(limit)}`;
    });
    this.#spread(ends, hasLimits);
    const x = place(score);
    this.#marker.setAttribute("transform", `translate(${x} 0)`);
    this.#value.setAttribute("x", Math.min(WIDTH - 38, Math.max(38, x)));
    this.#value.textContent = scoreDigits(score);
    const limits = hasLimits ? `; good below ${digits(pass_below)}, defective above ${digits(fail_above)}` : "";
    this.svg.setAttribute("aria-label", `defect score ${scoreDigits(score)}${limits}`);
  }

  // The two labels must not overlap.
  #spread([low, high], hasLimits) {
    if (!hasLimits) return;
    const middle = Math.min(WIDTH - 240, Math.max(190, (low + high) / 2));
    this.#labels[0].setAttribute("x", Math.max(90, Math.min(inside(low), middle - 95)));
    this.#labels[1].setAttribute("x", Math.max(inside(high, 120), Math.min(WIDTH - 120, middle + 125)));
  }
}

export function digits(value) {
  return value >= 0.1 && value < 0.995 ? value.toFixed(2) : value.toPrecision(2);
}

// A score of 0.998 is not 1.
function scoreDigits(value) {
  return value >= 0.995 && value < 0.9995 ? value.toFixed(3) : digits(value);
}

function inside(x, margin = 90) {
  return Math.min(WIDTH - margin, Math.max(margin, x));
}

function place(probability) {
  const bounded = Math.min(0.999, Math.max(0.001, probability));
  return (WIDTH * (Math.log(bounded / (1 - bounded)) + REACH)) / (2 * REACH);
}
