// The Charts page: fetches each chart by itself, so that a slow one holds up no other, and draws it again now and then.
import { say } from "./charts/chart.js";
import { drawHistogram } from "./charts/histogram.js";
import { drawPareto } from "./charts/pareto.js";
import { drawShares } from "./charts/shares.js";
import { drawTrend } from "./charts/trend.js";
import { localiseForm, moment } from "./times.js";

const DRAW = { trend: drawTrend, pareto: drawPareto, histogram: drawHistogram, shares: drawShares };
const AGAIN_MS = 30_000;
const MANY = 5_000; // fewer verdicts are counted within seconds

class Panel {
  #section; #drawn = [];

  constructor(section) {
    this.#section = section;
  }

  async show() {
    const { chart, title } = this.#section.dataset;
    const answer = await specsOf(chart);
    if (answer.error) this.#say(title, answer.error);
    else if (answer.charts.every((spec) => spec.is_empty)) this.#say(title, emptyWords(answer.newest_ms));
    else this.#draw(answer.charts.filter((spec) => !spec.is_empty).map((spec) => withWaiting(spec, answer.num_waiting)));
  }

  #draw(specs) {
    this.#drawn.splice(0).forEach((each) => each.close());
    const figures = this.#figures(specs.length);
    this.#drawn = specs.map((spec, index) => DRAW[spec.kind](figures[index], spec));
  }

  #say(title, text) {
    this.#drawn.splice(0).forEach((each) => each.close());
    say(this.#figures(1)[0], title, text);
  }

  /** As many figures as there are charts; those that stay keep their opened tables. */
  #figures(count) {
    while (this.#section.children.length > count) this.#section.lastElementChild.remove();
    while (this.#section.children.length < count) this.#section.append(document.createElement("figure"));
    return [...this.#section.children];
  }
}

async function specsOf(chart) {
  try {
    const answer = await fetch(`/charts/${chart}.json${location.search}`);
    const content = await answer.json();
    return answer.ok ? content : { error: content.error ?? content.detail ?? `The server answered ${answer.status}.` };
  } catch {
    return { error: "The server does not answer. This chart is tried again in half a minute." };
  }
}

function withWaiting(spec, waiting) {
  if (waiting < MANY) return spec;
  return { ...spec, summary: `${spec.summary} ${waiting.toLocaleString("en")} stored verdicts are not counted yet.` };
}

function emptyWords(newest_ms) {
  if (newest_ms === null) return "No piece was stored yet. As soon as the line judges one, it is counted here.";
  return `No pieces in this time. The last one entered at ${moment(new Date(newest_ms))}: choose a time around it.`;
}

/** Asks again only while somebody can see it and nobody is reading a mark. */
async function refresh(panels) {
  if (document.hidden || document.querySelector(".chart-picture:focus-within")) return;
  for (const panel of panels) await panel.show();
}

const all = document.getElementById("charts");
localiseForm(document.getElementById("filter"));
const panels = [...all.querySelectorAll("[data-chart]")].map((section) => new Panel(section));
panels.forEach((panel) => panel.show());
if (all.dataset.live !== undefined) setInterval(() => refresh(panels), AGAIN_MS);
