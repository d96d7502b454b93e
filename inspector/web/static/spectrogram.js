// A clip as a picture of time and frequency (a slow trace as a curve), with the region of evidence and a play button.
import { element } from "./elements.js";
import { spectrum } from "./fft.js";
import { isAudible, play, stop } from "./player.js";
import { readWav } from "./wav.js";

const WIDTH = 720, HEIGHT = 240;
const RANGE_DB = 70;
const LINE = { left: 0, top: 0 };

export class Spectrogram {
  #canvas = element("canvas", { width: WIDTH, height: HEIGHT, role: "img", "aria-label": "no sound" });
  #cursor = element("span", { class: "cursor", hidden: true });
  #note = element("p", { class: "absent" });
  #top = element("span", { class: "axis top" });
  #low = element("span", { class: "axis low" }, "0");
  #end = element("span", { class: "axis end" });
  #play = element("button", { type: "button" }, "Play");
  #slow = element("button", { type: "button" }, "Slowly");
  #clip = null; #request = null; #buttons;

  constructor() {
    this.#buttons = element("div", { class: "row" }, this.#play, this.#slow);
    const frame = element("div", { class: "plane" }, this.#canvas, this.#cursor, this.#top, this.#low, this.#end);
    this.node = element("figure", { class: "sound" }, frame, this.#note, this.#buttons);
    this.#play.addEventListener("click", () => this.#start(1));
    this.#slow.addEventListener("click", () => this.#start(0.25));
  }

  // `address` of a WAV file; `region` is { start_s, end_s, low_hz, high_hz } or null; `kind` a modality's kind.
  async show({ address, region, kind, label }) {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    this.node.classList.add("pending");
    try {
      const answer = await fetch(address, { signal: request.signal });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || `error ${answer.status}`);
      const clip = readWav(await answer.arrayBuffer());
      this.#stopOwn();
      this.#clip = clip;
      this.#say("");
      this.#paint(kind, region, label);
    } catch (error) {
      if (request.signal.aborted) return;
      this.absent(error.message);
    }
    this.node.classList.remove("pending");
  }

  absent(reason) {
    this.#request?.abort();
    this.#stopOwn();
    this.#clip = null;
    this.#canvas.setAttribute("aria-label", `no sound: ${reason}`);
    this.node.classList.remove("pending");
    this.#say(reason);
  }

  #stopOwn() {
    if (!this.#cursor.hidden) stop();
  }

  #say(text) {
    this.#note.textContent = text;
    this.#note.hidden = text === "";
    this.#canvas.parentElement.hidden = this.#buttons.hidden = text !== "";
  }

  #paint(kind, region, label) {
    const { samples, rate } = this.#clip;
    const isTrace = kind === "trace";
    const context = this.#canvas.getContext("2d");
    if (isTrace) drawCurve(context, samples);
    else drawSpectrum(context, samples);
    const length_s = samples.length / rate;
    if (region) drawRegion(context, region, length_s, isTrace ? null : rate / 2);
    this.#top.textContent = isTrace ? "" : frequency(rate / 2);
    this.#low.textContent = isTrace ? "" : "0";
    this.#end.textContent = `${length_s.toFixed(length_s < 10 ? 2 : 0)} s`;
    this.#buttons.hidden = !isAudible(rate);
    this.#canvas.setAttribute("aria-label", label);
  }

  #start(speed) {
    if (this.#clip === null) return;
    const length_s = this.#clip.samples.length / this.#clip.rate;
    play(this.#clip, speed, (at_s) => {
      this.#cursor.hidden = at_s === null;
      if (at_s !== null) this.#cursor.style.left = `${Math.min(100, (100 * at_s) / length_s)}%`;
    });
  }
}

function frequency(hz) {
  return hz >= 1000 ? `${+(hz / 1000).toFixed(1)} kHz` : `${Math.round(hz)} Hz`;
}

let plane = null;

function drawSpectrum(context, samples) {
  const { columns, bins, decibels } = spectrum(samples);
  const highest = decibels.reduce((largest, value) => Math.max(largest, value), -120);
  plane ??= document.createElement("canvas").getContext("2d");
  if (plane.canvas.width !== columns || plane.canvas.height !== bins) {
    Object.assign(plane.canvas, { width: columns, height: bins });
  }
  const pixels = plane.createImageData(columns, bins);
  const words = new Uint32Array(pixels.data.buffer);
  const scale = (COLOURS.length - 1) / RANGE_DB;
  for (let column = 0; column < columns; column++) {
    for (let bin = 0; bin < bins; bin++) {
      const level = Math.max(0, (RANGE_DB - highest + decibels[column * bins + bin]) * scale);
      words[(bins - 1 - bin) * columns + column] = COLOURS[level | 0];
    }
  }
  plane.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(plane.canvas, 0, 0, WIDTH, HEIGHT);
}

// From near black over teal to a pale yellow: brightness grows evenly, so it reads without colour, too.
const RAMP = [[10, 14, 20], [16, 54, 74], [24, 118, 116], [110, 178, 108], [226, 216, 120], [255, 248, 214]];
const COLOURS = Uint32Array.from({ length: 256 }, (_, i) => {
  const place = (i / 255) * (RAMP.length - 1), index = Math.min(RAMP.length - 2, Math.floor(place));
  const [r, g, b] = [0, 1, 2].map((k) => RAMP[index][k] + (RAMP[index + 1][k] - RAMP[index][k]) * (place - index));
  return (255 << 24) | (b << 16) | (g << 8) | r; // every processor that runs a browser is little-endian
});

function drawCurve(context, samples) {
  const [low, high] = samples.reduce(([l, h], value) => [Math.min(l, value), Math.max(h, value)], [Infinity, -Infinity]);
  context.fillStyle = "#0a0e14";
  context.fillRect(LINE.left, LINE.top, WIDTH, HEIGHT);
  context.strokeStyle = "#e2d878";
  context.lineWidth = 3;
  context.beginPath();
  const step = Math.max(1, Math.floor(samples.length / WIDTH));
  for (let i = 0; i < samples.length; i += step) {
    const y = HEIGHT - 12 - ((samples[i] - low) / (high - low || 1)) * (HEIGHT - 24);
    context.lineTo((i / Math.max(1, samples.length - 1)) * WIDTH, y);
  }
  context.stroke();
}

function drawRegion(context, { start_s, end_s, low_hz, high_hz }, length_s, highest_hz) {
  const x = (start_s / length_s) * WIDTH, width = Math.max(4, ((end_s - start_s) / length_s) * WIDTH);
  const isBand = highest_hz !== null && low_hz !== null && high_hz !== null;
  const top = isBand ? HEIGHT * (1 - high_hz / highest_hz) : 2;
  const height = isBand ? Math.max(4, (HEIGHT * (high_hz - low_hz)) / highest_hz) : HEIGHT - 4;
  for (const [shade, line] of [["#000", 6], ["#ff7a1a", 3]]) {
    context.strokeStyle = shade;
    context.lineWidth = line;
    context.strokeRect(x, top, width, height);
  }
}
