// One piece of the Review page: its pictures and sounds, loaded before it is shown.
import { element, named } from "./elements.js";
import { Picture } from "./picture.js";
import { Spectrogram } from "./spectrogram.js";

export class PieceView {
  #pictures = []; #sounds = [];

  constructor(card, heat) {
    this.token = card.token;
    this.classes = card.classes;
    const sources = card.sources.map((source) => this.#source(source));
    this.node = element("div", { "data-token": card.token },
      element("p", { class: "piece" }, named(card.station), element("span", { class: "quiet" }, named(card.product))),
      element("p", { class: "why" }, card.why),
      element("div", { class: "sources" }, ...sources.map(({ node }) => node)));
    this.heat = heat;
    this.ready = Promise.all(sources.map(({ ready }) => ready));
  }

  set heat(value) {
    for (const picture of this.#pictures) picture.opacity = value;
  }

  // Plays the first sound, slowly on request.
  play() {
    this.#sounds[0]?.node.querySelector("button")?.click();
  }

  #source(source) {
    const title = element("h2", {}, named(source.name), " ", element("span", { class: "quiet small" }, source.kind));
    const [view, ready] = source.frames ? this.#picture(source) : this.#sound(source);
    return { node: element("section", { class: "source" }, title, view), ready };
  }

  #picture({ name, frames, heat, regions }) {
    const picture = new Picture();
    this.#pictures.push(picture);
    const show = (number) => picture.show({
      frame: frames[number],
      heat: number === 0 ? heat : null,
      regions: number === 0 ? regions : [],
      label: `picture of ${name}${frames.length > 1 ? `, image ${number + 1} of ${frames.length}` : ""}`,
    });
    const choices = frames.map((_, number) => {
      const button = element("button", { type: "button" }, `Image ${number + 1}`);
      button.addEventListener("click", () => show(number));
      return button;
    });
    const row = frames.length > 1 ? element("div", { class: "frames" }, ...choices) : null;
    return [element("div", {}, picture.node, row ?? ""), show(0)];
  }

  #sound({ name, kind, sound, region, absent }) {
    const view = new Spectrogram();
    if (!sound) {
      view.absent(absent ?? "this recording was not kept");
      return [view.node, Promise.resolve()];
    }
    this.#sounds.push(view);
    return [view.node, view.show({ address: sound, region, kind, label: `${kind} of ${name}` })];
  }
}
