// One station on the Line page: its last piece large, and a strip of the pieces before. Built once, then only updated.
import { clock, decision, element, svg } from "./elements.js";
import { contributions } from "./contributions.js";
import { Picture } from "./picture.js";
import { ScoreScale } from "./score_scale.js";
import { Spectrogram } from "./spectrogram.js";

const STRIP = 24;
const SIDES = "left: good, right: defective (log-odds)";
const MEDIA_EVERY_MS = 500; // pictures of faster lines are left out, decisions never
const STATES = { present: "✓", missing: "✕", stale: "◌", implausible: "!" };

export class Station {
  #heading = element("bdi", { class: "named" });
  #decision = element("div", { class: "verdict" });
  #link = element("a", { class: "named" }, element("bdi"));
  #about = element("span", { class: "about" });
  #defects = element("p", { class: "defects", hidden: "" });
  #why = element("p", { class: "why" });
  #scale = new ScoreScale();
  #sources = element("div", { class: "sources" });
  #bars = element("div", { class: "bars" });
  #facts = element("dl", { class: "facts" });
  #figures = element("dl", { class: "figures" });
  #sensors = element("ul", { class: "sensors" });
  #strip = element("ul", { class: "strip" });
  #views = new Map();
  #cards = []; #shown = null; #held = null; #mediaAt = 0; #mediaTimer = 0; #heat = 0.5; #onlyRejects = false;
  onHold = () => {};

  constructor(name) {
    this.#heading.textContent = name;
    this.node = element("section", { class: "station", "aria-label": `station ${name}` },
      element("header", { class: "spread" }, element("h2", {}, this.#heading), this.#figures),
      element("div", { class: "lead" }, this.#decision, element("p", { class: "piece" }, this.#link, this.#about), this.#defects, this.#why),
      this.#scale.node, this.#sources,
      element("div", { class: "below" },
        element("div", {}, element("h3", {}, "What each source adds", element("span", { class: "quiet" }, SIDES)), this.#bars),
        element("div", {}, element("h3", {}, "Sources"), this.#sensors, this.#facts)),
      this.#strip);
  }

  // Adds verdicts, newest last, and shows the newest one unless another is held.
  add(cards) {
    const newest = cards.slice(-STRIP);
    this.#cards = [...this.#cards, ...newest].slice(-STRIP);
    newest.forEach((card) => this.#addToStrip(card));
    const wanted = this.#onlyRejects ? cards.findLast((card) => card.decision !== "pass") : cards.at(-1);
    if (this.#held === null && wanted) this.#show(wanted);
    else this.#markStrip();
  }

  get shown() {
    return this.#shown;
  }

  set heat(value) {
    this.#heat = value;
    for (const view of this.#views.values()) if (view instanceof Picture) view.opacity = value;
  }

  set onlyRejects(value) {
    this.#onlyRejects = value;
    if (this.#held === null) this.#showNewest();
  }

  // Stays on the piece that is shown, or with false goes on with the newest one.
  hold(isHeld) {
    this.#held = isHeld ? this.#shown : null;
    if (!isHeld) this.#showNewest();
    this.node.toggleAttribute("data-held", isHeld);
  }

  showFigures(data) {
    const takt = data.takt_s === null ? "–" : `${data.takt_s} s`;
    const rows = [["takt", takt], ["per minute", data.per_minute ?? "–"],
      ["95 % within", data.p95_ms === null ? "–" : duration(data.p95_ms)],
      ["REVIEW", data.review_share === null ? "–" : `${(100 * data.review_share).toFixed(1)} %`]];
    fill(this.#figures, rows.flatMap(([name, value]) => [[name, value]]));
    this.#sensors.replaceChildren(...data.sensors.map(sensorItem));
  }

  #showNewest() {
    const wanted = this.#cards.filter((card) => !this.#onlyRejects || card.decision !== "pass");
    if (wanted.length) this.#show(wanted.at(-1));
  }

  #show(card) {
    this.#shown = card;
    this.node.dataset.decision = card.decision;
    this.node.dataset.piece = card.piece;
    this.node.dataset.appended = card.append_ms;
    this.#decision.replaceChildren(decision(card.decision, "large"));
    const pass = card.pass ? element("span", { class: "quiet" }, `pass ${card.pass}`) : null;
    this.#nameLink(card);
    this.#about.replaceChildren(name(card.product, "quiet"),
      element("time", { class: "quiet" }, clock(card.decision_ms)), ...(pass ? [pass] : []));
    this.#showDefects(card);
    this.#why.textContent = card.why;
    this.#scale.show(card);
    this.#bars.replaceChildren(...contributions(card));
    this.#showFacts(card);
    this.#markStrip();
    this.#mediaSoon();
  }

  // One element for all pieces: a replaced one would lose the focus of the keyboard.
  #nameLink(card) {
    this.#link.href = card.page;
    this.#link.title = this.#link.firstChild.textContent = card.piece;
  }

  #showDefects(card) {
    const severity = card.severity ? [element("span", { class: "severity" }, card.severity)] : [];
    this.#defects.hidden = card.defects.length === 0;
    this.#defects.replaceChildren(element("bdi", {}, card.defects.join(", ")), ...severity);
  }

  #showFacts(card) {
    const ran = card.experts.filter((run) => run.ran).map((run) => run.name).join(", ") || "none";
    fill(this.#facts, [
      ["route", card.route || "none"], ["experts", ran], ["cost", `${card.cost_ms.toFixed(1)} ms`],
      ["after capture", `${duration(card.latency_ms)}${card.late ? ", past the deadline" : ""}`],
      ["bundle", [card.bundle.trim(), card.digest].filter(Boolean).join(" · ") || "none"],
      ["engine", card.engine || "none"],
    ]);
  }

  // Pictures and sounds of the piece that is shown, not faster than they can be looked at.
  #mediaSoon() {
    if (this.#mediaTimer) return;
    const wait = Math.max(0, this.#mediaAt + MEDIA_EVERY_MS - performance.now());
    this.#mediaTimer = setTimeout(() => {
      this.#mediaTimer = 0;
      this.#mediaAt = performance.now();
      this.#showMedia(this.#shown);
    }, wait);
  }

  #showMedia(card) {
    const names = card.modalities.map((modality) => `${modality.kind} ${modality.name}`);
    for (const [key, view] of this.#views) {
      if (names.includes(key)) continue;
      view.node.parentElement.remove();
      this.#views.delete(key);
    }
    card.modalities.forEach((modality, index) => this.#showSource(card, modality, index));
  }

  #showSource(card, modality, index) {
    const key = `${modality.kind} ${modality.name}`;
    if (!this.#views.has(key)) this.#addView(key, modality);
    const view = this.#views.get(key);
    if (modality.state === "missing" || modality.state === "stale") {
      view.absent(absence(modality));
    } else if (modality.kind === "image") {
      const evidence = card.images.find((image) => image.camera === modality.name);
      view.show({
        frame: `${card.media}/picture/${index}/0`, heat: evidence?.heat ? `${card.media}/heat/${index}` : null,
        regions: evidence?.regions ?? [], label: `picture of ${modality.name}, piece ${card.piece}`,
      });
    } else {
      view.show({
        address: `${card.media}/sound/${index}`, kind: modality.kind,
        region: card.signals.find((signal) => signal.sensor === modality.name) ?? null,
        label: `${modality.kind} of ${modality.name} over time and frequency, piece ${card.piece}`,
      });
    }
  }

  #addView(key, modality) {
    const view = modality.kind === "image" ? new Picture() : new Spectrogram();
    if (view instanceof Picture) view.opacity = this.#heat;
    const caption = element("h3", {}, name(modality.name), element("span", { class: "quiet" }, ` ${modality.kind}`));
    this.#views.set(key, view);
    this.#sources.append(element("div", { class: "source" }, caption, view.node));
  }

  #addToStrip(card) {
    const shape = svg("svg", { class: "shape", viewBox: "0 0 24 24", "aria-hidden": "true" },
      svg("use", { href: `/static/shapes.svg#${card.decision}` }));
    const button = element("button", {
      type: "button", "data-decision": card.decision, title: `${card.piece}: ${card.decision.toUpperCase()}`,
      "aria-label": `${card.decision.toUpperCase()}, piece ${card.piece}`,
    }, shape);
    button.addEventListener("click", () => { this.#held = card; this.#show(card); this.onHold(); });
    this.#strip.append(element("li", {}, button));
    while (this.#strip.childElementCount > STRIP) this.#strip.firstElementChild.remove();
  }

  #markStrip() {
    const index = this.#cards.indexOf(this.#shown);
    [...this.#strip.children].forEach((item, i) => {
      if (i === index) item.firstElementChild.setAttribute("aria-current", "true");
      else item.firstElementChild.removeAttribute("aria-current");
    });
  }
}

function name(text, more = "") {
  return element("bdi", { class: `named ${more}`, title: text }, text === "" ? "–" : text);
}

/** 397 ms, or 24.8 s. */
function duration(ms) {
  return ms < 9_999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function fill(list, rows) {
  list.replaceChildren(...rows.map(([term, value]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, element("bdi", {}, String(value))))));
}

function absence(modality) {
  const words = { not_received: "nothing arrived in time", coverage: "not enough of it arrived" };
  const reason = words[modality.reason] ?? modality.reason.replaceAll("_", " ");
  return modality.state === "stale" ? "the sensor fell silent" : `missing: ${reason || "not received"}`;
}

function sensorItem({ name: sensor, state, absent, of }) {
  const share = absent ? `, absent in ${absent} of the last ${of}` : "";
  return element("li", { "data-state": state }, element("span", { class: "mark", "aria-hidden": "true" },
    STATES[state] ?? "?"), name(sensor), element("span", { class: "quiet" }, ` ${state}${share}`));
}
