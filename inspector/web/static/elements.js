// Small helpers to build a page from data. Text is always set as text: no name can become markup.
const SVG = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// A name that a producer chose: kept apart from the direction of the text around it, whole in its tooltip.
export function named(text) {
  return element("bdi", { class: "named", title: text }, text === "" ? "–" : text);
}

// A decision as shape, word and colour; `word` is "pass", "fail" or "review".
export function decision(word, size = "") {
  const shape = svg("svg", { class: "shape", viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("use", { href: `/static/shapes.svg#${word}` }));
  return element("span", { class: `decision ${size}`, "data-decision": word },
    shape, element("span", { class: "word" }, word.toUpperCase()));
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// Milliseconds since 1970 as the time of day here, such as 14:03:07.
export function clock(milliseconds) {
  return TIME.format(new Date(milliseconds));
}
