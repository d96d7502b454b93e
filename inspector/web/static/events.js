// News of the line for a page: one event stream for all tabs of the browser, each verdict once and in order.
//
//   import { on, onVerdict, onState, startAt } from "./events.js";
//   startAt(position)        next offset by partition that the page already shows (from its snapshot)
//   onVerdict((verdict) => …)  `verdict` is the object of inspector/web/card.py
//   on("figures", (data) => …) any other kind; a late subscriber gets the newest one at once
//   onState((word) => …)       connecting, live, lost, away (the log cannot be read), full
import { Connection } from "./connection.js";

const CHANNEL = "inspector-events";
const handlers = new Map();
const newest = new Map();
const early = []; // verdicts that came before the page asked for them
const EARLY = 256;
let next = {};

export function on(kind, handler) {
  handlers.set(kind, [...(handlers.get(kind) ?? []), handler]);
  if (newest.has(kind)) handler(newest.get(kind));
}

export function onState(handler) {
  on("state", handler);
}

export function onVerdict(handler) {
  handlers.set("verdict", [...(handlers.get("verdict") ?? []), handler]);
  early.splice(0).forEach(take);
}

export function startAt(position) {
  next = { ...position };
}

function take(message) {
  if (message.kind === "verdict") {
    takeVerdict(message);
    return;
  }
  if (message.kind === "reset") next = {};
  newest.set(message.kind, message.data);
  tell(message);
}

function takeVerdict(message) {
  if (!handlers.has("verdict")) {
    early.push(message);
    if (early.length > EARLY) early.shift();
    return;
  }
  const [partition, offset] = message.data.at;
  if (offset < (next[partition] ?? 0)) return;
  next[partition] = offset + 1;
  tell(message);
}

function tell(message) {
  (handlers.get(message.kind) ?? []).forEach((handler) => handler(message.data));
}

// The id of the moment that the page's own snapshot shows: a first connection continues behind it.
function after() {
  const snapshot = document.getElementById("snapshot");
  return snapshot === null ? "" : (JSON.parse(snapshot.textContent).id ?? "");
}

// Scripts may be started from this server only, and only by their own address.
function workerAddress() {
  const address = new URL("./events_worker.js", import.meta.url).href;
  if (!globalThis.trustedTypes) return address;
  return trustedTypes.createPolicy("inspector", { createScriptURL: (text) => text }).createScriptURL(address);
}

function throughWorker() {
  const worker = new SharedWorker(workerAddress(), { type: "module", name: CHANNEL });
  worker.port.onmessage = ({ data }) => take(data);
  worker.port.postMessage({ after: after() });
  worker.onerror = () => throughChannel();
  addEventListener("pagehide", () => worker.port.postMessage("bye"));
}

// Browsers without SharedWorker: the tab that holds the lock has the stream and tells the others.
function throughChannel() {
  const channel = new BroadcastChannel(CHANNEL);
  if (!navigator.locks) {
    new Connection(take).open(after());
    return;
  }
  channel.onmessage = ({ data }) => { if (data !== "hello") take(data); };
  channel.postMessage("hello");
  navigator.locks.request(CHANNEL, () => new Promise(() => lead(channel)));
}

function lead(channel) {
  const connection = new Connection((message) => { take(message); channel.postMessage(message); });
  channel.onmessage = ({ data }) => {
    if (data === "hello") connection.backlog().forEach((message) => channel.postMessage(message));
  };
  connection.open(after());
}

// A page that comes back from the browser's cache has missed the time in between.
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
if (globalThis.SharedWorker) throughWorker();
else throughChannel();
