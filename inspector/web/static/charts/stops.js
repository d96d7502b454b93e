// Makes the points of a chart one stop of the Tab key: arrow keys move between them, Enter opens what lies behind.

const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

/** `stops` are the elements in reading order; `tell` gets the words of the one that has the focus or the pointer. */
export function connect(stops, tell) {
  stops.forEach((stop, index) => {
    stop.setAttribute("tabindex", index === 0 ? "0" : "-1");
    stop.addEventListener("keydown", (event) => move(event, stops, index));
    stop.addEventListener("focus", () => { only(stops, index); tell(stop.getAttribute("aria-label")); });
    stop.addEventListener("pointerenter", () => tell(stop.getAttribute("aria-label")));
  });
}

function move(event, stops, index) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const target = event.key === "Home" ? 0 : event.key === "End" ? stops.length - 1 : index + (MOVES[event.key] ?? 0);
  if (!(event.key in MOVES) && event.key !== "Home" && event.key !== "End") return;
  event.preventDefault();
  stops[Math.min(Math.max(target, 0), stops.length - 1)].focus();
}

function only(stops, chosen) {
  stops.forEach((stop, index) => stop.setAttribute("tabindex", index === chosen ? "0" : "-1"));
}
