// What each camera and sensor adds to the score, as a bar around zero: in words, shape and colour.
import { element, named, svg } from "./elements.js";
import { digits } from "./score_scale.js";

/** One row for each source of a card. */
export function contributions(card) {
  const most = largest(card);
  return card.modalities.map((modality) => bar(modality, most));
}

function largest(card) {
  return Math.max(2, ...card.modalities.map((modality) => Math.abs(modality.contribution ?? 0)));
}

// Log-odds that a source adds to the score: to the right towards defective, to the left towards good.
function bar(modality, most) {
  const value = modality.contribution;
  const share = value === null ? 0 : Math.min(1, Math.abs(value) / most) * 50;
  const fillNode = svg("rect", { class: value > 0 ? "bad" : "good", x: value > 0 ? 50 : 50 - share, y: 2, width: share, height: 12 });
  const text = value === null ? stateWords(modality) : `${value > 0 ? "+" : "−"}${digits(Math.abs(value))}`;
  const words = value === null ? "" : value > 0 ? " towards defective" : " towards good";
  return element("div", { class: "addend" }, named(modality.name),
    svg("svg", { viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("line", { x1: 50, x2: 50, y1: 0, y2: 16 }), fillNode),
    element("span", { class: "value" }, text, element("span", { class: "visually-hidden" }, words)));
}

function stateWords(modality) {
  if (modality.state !== "present") return modality.state;
  if (modality.reason === "not_examined") return "not needed";
  if (modality.score !== null) return `score ${digits(modality.score)}`;
  return modality.raw === null ? "–" : `raw ${digits(modality.raw)}`;
}
