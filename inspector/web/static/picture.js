// A camera's picture with the heat map over it and the regions of evidence: one canvas, reused for every piece.
import { element } from "./elements.js";

const LONGER_SIDE = 720;

export class Picture {
  #canvas = element("canvas", { role: "img", "aria-label": "no picture" });
  #note = element("p", { class: "absent" });
  #frame = null; #heat = null; #regions = []; #captured = [1, 1];
  #opacity = 0.5; #request = null;

  constructor() {
    this.node = element("figure", { class: "picture" }, this.#canvas, this.#note);
  }

  set opacity(value) {
    this.#opacity = value;
    this.#draw();
  }

  // `frame` and `heat` are addresses, `heat` may be null; regions are [x, y, width, height, strength] in captured pixels.
  async show({ frame, heat, regions, label }) {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    this.node.classList.add("pending");
    try {
      const [picture, map] = await Promise.all([load(frame, request), heat ? load(heat, request) : null]);
      this.#close();
      [this.#frame, this.#heat, this.#regions] = [picture.bitmap, map?.bitmap ?? null, regions];
      this.#captured = picture.captured;
      this.#canvas.setAttribute("aria-label", label);
      this.#say("");
    } catch (error) {
      if (request.signal.aborted) return;
      this.absent(error.message);
    }
    this.node.classList.remove("pending");
    this.#draw();
  }

  absent(reason) {
    this.#request?.abort();
    this.#close();
    this.#canvas.setAttribute("aria-label", `no picture: ${reason}`);
    this.node.classList.remove("pending");
    this.#say(reason);
  }

  #say(text) {
    this.#note.textContent = text;
    this.#note.hidden = text === "";
    this.#canvas.hidden = text !== "";
  }

  #close() {
    this.#frame?.close();
    this.#heat?.close();
    this.#frame = this.#heat = null;
  }

  #draw() {
    if (this.#frame === null) return;
    const scale = LONGER_SIDE / Math.max(this.#frame.width, this.#frame.height);
    const width = Math.round(this.#frame.width * scale), height = Math.round(this.#frame.height * scale);
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext("2d");
    context.globalAlpha = 1;
    context.imageSmoothingEnabled = scale < 3;
    context.drawImage(this.#frame, 0, 0, width, height);
    if (this.#heat !== null && this.#opacity > 0) drawHeat(context, this.#heat, this.#opacity);
    this.#drawRegions(context, width / this.#captured[0], height / this.#captured[1]);
  }

  // Light over dark lines, so that they show on every picture.
  #drawRegions(context, scaleX, scaleY) {
    for (const [x, y, width, height, strength] of this.#regions) {
      const box = [x * scaleX, y * scaleY, width * scaleX, height * scaleY];
      context.setLineDash(strength >= 0.5 ? [] : [12, 8]);
      for (const [colour, line] of [["#000", 7], ["#ffb020", 3.5]]) {
        context.strokeStyle = colour;
        context.lineWidth = line;
        context.strokeRect(...box);
      }
    }
    context.setLineDash([]);
  }
}

async function load(address, request) {
  const answer = await fetch(address, { signal: request.signal });
  if (!answer.ok) throw new Error(await reasonOf(answer));
  const captured = answer.headers.get("x-captured")?.split("x").map(Number) ?? [1, 1];
  return { bitmap: await createImageBitmap(await answer.blob()), captured };
}

async function reasonOf(answer) {
  const { detail } = await answer.json().catch(() => ({}));
  return detail || `the picture could not be read (${answer.status})`;
}

let tinted = null;

// The grey map becomes the opacity of a warm colour: black is no evidence and leaves the picture as it is.
function drawHeat(context, heat, opacity) {
  tinted ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  Object.assign(tinted.canvas, { width: heat.width, height: heat.height });
  tinted.drawImage(heat, 0, 0);
  const pixels = tinted.getImageData(0, 0, heat.width, heat.height);
  const data = pixels.data;
  for (let i = 0; i < data.length; i += 4) {
    const value = data[i];
    data[i] = 255;
    data[i + 1] = 60 + (value * 130) / 255;
    data[i + 2] = 0;
    data[i + 3] = value * Math.sqrt(value / 255); // faint evidence is no haze over the whole picture
  }
  tinted.putImageData(pixels, 0, 0);
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = true;
  context.drawImage(tinted.canvas, 0, 0, context.canvas.width, context.canvas.height);
  context.globalAlpha = 1;
}
