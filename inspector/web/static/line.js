// The Line page: stations fill as verdicts come, at most once a frame.
import { element } from "./elements.js";
import { on, onVerdict, startAt } from "./events.js";
import { Station } from "./station.js";

const stations = new Map();
const waiting = [];
const root = document.getElementById("stations");
const empty = document.getElementById("empty");
const heat = document.getElementById("heat");
const hold = document.getElementById("hold");
const rejects = document.getElementById("rejects");
let isHeld = false;
let isDrawing = false;

function stationOf({ line, station }) {
  const key = JSON.stringify([line, station]);
  if (!stations.has(key)) {
    const added = new Station(station);
    added.onHold = () => setHold(true, added);
    added.heat = heat.value / 100;
    added.onlyRejects = rejects.checked;
    stations.set(key, added);
    const names = [...stations.keys()].sort(inOrder);
    root.insertBefore(added.node, root.children[names.indexOf(key)] ?? null);
    root.dataset.count = stations.size;
    empty.hidden = true;
  }
  return stations.get(key);
}

function inOrder(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

function draw() {
  isDrawing = false;
  const cards = Map.groupBy(waiting.splice(0), stationOf);
  cards.forEach((ofStation, station) => station.add(ofStation));
}

function take(card) {
  waiting.push(card);
  // A tab in the background gets no frames: what is older than the strip is not drawn.
  if (waiting.length > 1000) waiting.splice(0, 500);
  if (!isDrawing) requestAnimationFrame(draw);
  isDrawing = true;
}

function setHold(held, only = null) {
  isHeld = held;
  for (const station of stations.values()) if (only === null || station !== only) station.hold(held);
  only?.node.setAttribute("data-held", "");
  hold.setAttribute("aria-pressed", held);
  hold.querySelector(".word").textContent = held ? "Go on" : "Hold";
}

function begin(snapshot) {
  startAt(snapshot.position);
  snapshot.stations.forEach(take);
  showFigures(snapshot.figures);
}

function showFigures(figures) {
  for (const data of figures) {
    const station = stations.get(JSON.stringify([data.line, data.station]));
    station?.showFigures(data);
  }
}

heat.value = localStorage.getItem("heat") ?? 60;
heat.addEventListener("input", () => {
  localStorage.setItem("heat", heat.value);
  for (const station of stations.values()) station.heat = heat.value / 100;
});
rejects.addEventListener("change", () => {
  for (const station of stations.values()) station.onlyRejects = rejects.checked;
});
hold.addEventListener("click", () => setHold(!isHeld));
addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "h") setHold(!isHeld);
  else if (event.key === "r") rejects.click();
});

begin(JSON.parse(document.getElementById("snapshot").textContent));
draw();
onVerdict(take);
on("figures", showFigures);
on("reset", async () => {
  const answer = await fetch("/live");
  if (answer.ok) begin(await answer.json());
});
