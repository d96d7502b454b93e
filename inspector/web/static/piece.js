// One piece: its pictures with heat map, its sounds, the score against both limits, and the form for a finding.
import { contributions } from "./contributions.js";
import { element } from "./elements.js";
import { Picture } from "./picture.js";
import { post } from "./post.js";
import { ScoreScale } from "./score_scale.js";
import { Spectrogram } from "./spectrogram.js";
import { localise, moment } from "./times.js";

const card = JSON.parse(document.getElementById("card").textContent);

function showScale() {
  const scale = new ScoreScale();
  document.getElementById("scale").append(scale.node);
  scale.show(card);
}

function showEvidence() {
  const place = document.getElementById("evidence"), pictures = [];
  card.modalities.forEach((modality, index) => {
    const isImage = modality.kind === "image";
    const view = isImage ? new Picture() : new Spectrogram();
    place.append(element("section", { class: "panel stack" },
      element("h3", {}, element("bdi", {}, modality.name)), view.node, ...(isImage ? [frames(view, modality, index)] : [])));
    if (isImage) pictures.push(view);
    if (modality.state === "missing" || modality.state === "stale") {
      view.absent(`${modality.state}: ${modality.reason.replaceAll("_", " ") || "nothing came"}`);
    } else if (isImage) {
      view.show(pictureOf(modality, index, 0));
    } else {
      view.show(soundOf(modality, index));
    }
  });
  if (pictures.length) followSlider(pictures);
}

function pictureOf(modality, index, frame) {
  const evidence = card.images.find((image) => image.camera === modality.name);
  return {
    frame: `${card.media}/picture/${index}/${frame}`,
    heat: evidence?.heat ? `${card.media}/heat/${index}` : null,
    regions: evidence?.regions ?? [],
    label: `picture of ${modality.name}`,
  };
}

function soundOf(modality, index) {
  const region = card.signals.find((signal) => signal.sensor === modality.name) ?? null;
  return { address: `${card.media}/sound/${index}`, region, kind: modality.kind, label: `recording of ${modality.name}` };
}

/** Buttons for the further images of a camera, where it took several. */
function frames(view, modality, index) {
  const row = element("p", { class: "row", hidden: true });
  fetch(`${card.media}/picture/${index}/0`).then((answer) => {
    const count = Number(answer.headers.get("x-frames") ?? 1);
    if (!answer.ok || count < 2) return;
    row.hidden = false;
    row.append(...Array.from({ length: count }, (_, number) => {
      const button = element("button", { type: "button" }, `Image ${number + 1}`);
      button.addEventListener("click", () => view.show(pictureOf(modality, index, number)));
      return button;
    }));
  }).catch(() => {});
  return row;
}

function followSlider(pictures) {
  const slider = document.getElementById("heat");
  document.getElementById("heat-row").hidden = false;
  slider.addEventListener("input", () => pictures.forEach((picture) => { picture.opacity = slider.value / 100; }));
}

function takeFindings(form) {
  const said = document.getElementById("feedback-said");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button"), data = new FormData(form);
    button.disabled = true;
    said.textContent = "";
    try {
      const defects = data.get("defects").split(",").map((name) => name.trim()).filter(Boolean);
      add(await post(form.getAttribute("action"), { label: data.get("label"), defects, note: data.get("note") }));
      form.reset();
      said.textContent = "Stored.";
    } catch (error) {
      said.textContent = error.message;
    }
    button.disabled = false;
  });
}

function add({ label, defects, author, note, at_ms: at }) {
  document.getElementById("none-given").hidden = true;
  document.getElementById("given").append(element("li", {}, element("strong", {}, label), defects ? " " : "",
    element("bdi", {}, defects), ", ", element("bdi", {}, author), `, ${moment(new Date(at))}`,
    ...(note ? [element("br"), element("bdi", {}, note)] : [])));
}

localise(document);
showScale();
showEvidence();
document.getElementById("bars").append(...contributions(card));
const form = document.getElementById("feedback");
if (form) takeFindings(form);
