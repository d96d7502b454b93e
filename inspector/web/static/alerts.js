// The Alerts page: times by the clock here and keys. The list never moves under the reader: it loads again by itself
// while nothing on it has the focus, and else offers to.
import { on } from "./events.js";
import { rowKeys } from "./row_keys.js";
import { localise } from "./times.js";

// Age of a page before it loads again: news may be a moment older than the page, which would load again at once.
const LEAST_MS = 5000;
const root = document.getElementById("alerts");
const isFirst = document.getElementById("open") !== null || !location.search;

localise(document);
for (const id of ["open", "ended"]) {
  const table = document.getElementById(id);
  if (table) rowKeys(table);
}
if (isFirst) {
  let waiting;
  on("alerts", ({ mark }) => {
    clearTimeout(waiting);
    if (mark !== root.dataset.mark) waiting = setTimeout(show, Math.max(0, LEAST_MS - performance.now()));
  });
}

function show() {
  if (document.activeElement === document.body) location.reload();
  else offer();
}

function offer() {
  document.getElementById("changed").hidden = false;
  document.getElementById("changed-status").textContent = "Alerts have changed: use the button above the list.";
}
