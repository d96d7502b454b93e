// The Pieces page: times by the clock here, keys, and how many new pieces the list would show. The list itself never
// moves under the reader: new pieces come when asked for.
import { onVerdict } from "./events.js";
import { rowKeys } from "./row_keys.js";
import { localise, localiseForm } from "./times.js";

const CHECK_MS = 1_000; // the archive stores a verdict shortly after the line published it
const LATE_MS = 4_000;

function followNew(box) {
  let timer = 0, due = 0;
  const later = (delay) => {
    if (timer && due <= performance.now() + delay) return;
    clearTimeout(timer);
    due = performance.now() + delay;
    timer = setTimeout(check, delay);
  };
  async function check() {
    timer = 0;
    const count = await numNew(box.dataset.after);
    if (count !== null) show(box, count);
  }
  let lateTimer = 0;
  onVerdict(() => {
    later(CHECK_MS);
    clearTimeout(lateTimer);
    lateTimer = setTimeout(check, LATE_MS);
  });
}

async function numNew(after) {
  const address = new URL("/pieces/new", location.href);
  address.search = location.search;
  address.searchParams.set("after", after);
  try {
    const answer = await fetch(address);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function show(box, { count, at_most: most }) {
  if (count === 0) return;
  const words = `${count > most ? `${most}+` : count} new`;
  document.getElementById("show-new").textContent = words;
  if (box.hidden) document.getElementById("new-status").textContent = "New pieces are there: use the button above the list.";
  box.hidden = false;
}

localise(document);
localiseForm(document.getElementById("filter"));
const table = document.getElementById("pieces"), box = document.getElementById("new");
if (table) rowKeys(table);
if (box) followNew(box);
