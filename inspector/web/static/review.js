// The Review page: shows one piece at a time, takes an answer by one key, and has the next pieces loaded already.
// Answers are sent in their order, one at a time, and again until the server has them.
import { element, named } from "./elements.js";
import { stop } from "./player.js";
import { post, Refused } from "./post.js";
import { PieceView } from "./review_view.js";

const RETRY_MS = 2000, LOOK_MS = 5000;
const place = document.getElementById("piece");
const answers = document.getElementById("answers");
const classes = document.getElementById("classes");
const undo = document.getElementById("undo");
const problem = document.getElementById("problem");
const empty = document.getElementById("empty");
const heat = document.getElementById("heat");
const keys = document.getElementById("keys");
const views = [];          // the piece that is shown, and the ones after it
const answered = new Set(); // tokens whose answers are under way
let sending = Promise.resolve();
let numSending = 0;
let look = null;

function show() {
  const [view] = views;
  if (place.firstElementChild === (view?.node ?? null)) return;
  stop();
  place.replaceChildren(...(view ? [view.node] : []));
  empty.hidden = Boolean(view);
  showClasses(view?.classes ?? []);
  for (const button of answers.querySelectorAll(".answer")) button.disabled = !view;
}

function showClasses(names) {
  const wanted = JSON.stringify(names);
  if (classes.dataset.names === wanted) return;
  classes.dataset.names = wanted;
  classes.replaceChildren(...names.map((name, number) => {
    const button = element("button", { type: "button" }, named(name), number < 9 ? element("kbd", {}, `${number + 1}`) : "");
    button.addEventListener("click", () => say("nok", [name]));
    return button;
  }));
}

// The pieces that this person holds, in order, by the server's word; views that are there already stay.
function take({ pieces, progress }) {
  const known = new Map(views.map((view) => [view.token, view]));
  const held = pieces.filter(({ token }) => !answered.has(token));
  views.splice(0, views.length, ...held.map((card) => known.get(card.token) ?? prepared(card)));
  showProgress(progress);
  show();
  clearTimeout(look);
  if (views.length === 0) look = setTimeout(() => send("/review/hold"), LOOK_MS);
}

// Loads pictures and sounds at once, long before the piece is shown.
function prepared(card) {
  const view = new PieceView(card, heat.value / 100);
  view.ready.then(() => { view.isReady = true; tellAhead(); });
  return view;
}

// How many pieces are ready to be shown, and how many requests are under way: for tests and for whoever debugs.
function tellAhead() {
  answers.dataset.ready = views.filter(({ isReady }) => isReady).length;
  answers.dataset.sending = numSending;
}

function showProgress(progress) {
  if (!progress) return;
  const { ok, nok, unsure, waiting } = progress;
  document.getElementById("progress").textContent =
    `Your answers of the last 8 hours: ${ok} OK, ${nok} NOK, ${unsure} don't know · waiting: ${waiting}`;
}

function say(label, defects = []) {
  const [view] = views;
  if (!view) return;
  answered.add(view.token);
  views.shift();
  show();
  send("/review/answer", { token: view.token, label, defects }, () => answered.delete(view.token));
}

function takeBack() {
  send("/review/undo");
}

// One request after the other, so that the server sees answers and undo in the order of the keys.
function send(address, body = {}, done = () => {}) {
  numSending += 1;
  tellAhead();
  sending = sending.then(() => sent(address, body, done)).finally(() => { numSending -= 1; tellAhead(); });
}

async function sent(address, body, done) {
  for (;;) {
    try {
      const state = await post(address, body);
      done();
      tell(state.problem ?? (state.undone === false ? "There is no answer of yours to undo." : ""));
      take(state);
      return;
    } catch (error) {
      if (error instanceof Refused && error.status !== 503 && error.status !== 429) {
        tell(error.message);
        done();
        if (address !== "/review/hold") take(await post("/review/hold").catch(() => ({ pieces: [], progress: null })));
        return;
      }
      tell(`${numSending} answers are not stored yet (${error.message}). Trying again; keep this page open.`);
      await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
    }
  }
}

function tell(text) {
  problem.textContent = text;
  problem.hidden = text === "";
}

function setHeat(value) {
  heat.value = value;
  localStorage.setItem("heat", value);
  for (const view of views) view.heat = value / 100;
}

function pressed(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || !keys.checked) return;
  if (event.target.matches('input:not([type="checkbox"], [type="range"]), select, textarea')) return;
  const key = event.key.toLowerCase();
  if (key === "o") say("ok");
  else if (key === "n") say("nok");
  else if (key === "d") say("unsure");
  else if (key === "u") takeBack();
  else if (key === "p") views[0]?.play();
  else if (key === "h") setHeat(Number(heat.value) > 0 ? 0 : 60);
  else if (/^[1-9]$/.test(key) && views[0]?.classes[key - 1] !== undefined) say("nok", [views[0].classes[key - 1]]);
  else return;
  event.preventDefault();
}

answers.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-label]");
  if (button) say(button.dataset.label);
});
undo.addEventListener("click", takeBack);
heat.value = localStorage.getItem("heat") ?? 60;
heat.addEventListener("input", () => setHeat(heat.value));
addEventListener("keydown", pressed);
addEventListener("beforeunload", (event) => { if (numSending > 0) event.preventDefault(); });
send("/review/hold");
