/** The playground's page: loads the model once, and classifies each picture that the user drops, pastes or chooses. */

import { normalizeImage } from "@lockstep/dataset/input";
import { at, messageOf } from "@lockstep/errors";
import * as tf from "@tensorflow/tfjs";
import type { PlaygroundFacts } from "../src/facts.ts";
import { imageOf, pixelsOf } from "./picture.ts";

/** Number of classes in a prediction. */
const SHOWN = 3;
/** Number of classes that the page lists. */
const NAMED = 30;

const status = element("status", HTMLElement);
const drop = element("drop", HTMLElement);
const file = element("file", HTMLInputElement);
const seen = element("seen", HTMLCanvasElement);
const caption = element("caption", HTMLElement);
const ranking = element("ranking", HTMLElement);

const facts: PlaygroundFacts = await (await fetch("/run.json")).json();
const [height, width, channels] = facts.inputShape;
describeRun();
const model = loadModel();
model.then(
  () => showStatus(""),
  (error) => showStatus(error.message),
);

/** Number of the newest picture. Predictions for older ones are dropped. */
let newest = 0;

file.addEventListener("change", () => {
  classify(file.files?.[0]);
  file.value = ""; // so that the same file can be chosen again
});
addEventListener("paste", (event) => classify(event.clipboardData?.files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault(); // allows a drop
  drop.classList.add("over");
});
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  classify(event.dataTransfer?.files[0]);
});

async function classify(picture: File | undefined): Promise<void> {
  const turn = ++newest;
  if (picture === undefined)
    return refuse("Expected a picture, got something else. Save the picture as a file and choose that file.");
  showStatus("Classifying …");
  try {
    const pixels = await pixelsOf(picture);
    if (turn === newest) show(pixels);
    const probabilities = await probabilitiesOf(pixels);
    if (turn !== newest) return;
    rank(probabilities);
    showStatus("");
  } catch (error) {
    if (turn === newest) refuse(messageOf(error));
  }
}

/** Shows why there is no prediction, and nothing of an earlier picture. */
function refuse(reason: string): void {
  seen.hidden = true;
  caption.textContent = "";
  ranking.replaceChildren();
  showStatus(reason);
}

async function loadModel(): Promise<tf.LayersModel> {
  const onProgress = (fraction: number) => showStatus(`Loading the model … ${Math.round(100 * fraction)}%`);
  return tf.loadLayersModel("/tfjs/model.json", { onProgress }).catch((cause) => {
    throw new Error(`The model could not be loaded (${cause.message}). Is pnpm playground still running?`, { cause });
  });
}

/** Returns the probability of each class. */
async function probabilitiesOf(pixels: Uint8Array): Promise<Float32Array> {
  const net = await model;
  const input = normalizeImage(pixels, facts);
  const probabilities = tf.tidy(() => {
    const logits = net.predict(tf.tensor4d(input, [1, height, width, channels])) as tf.Tensor;
    return logits.softmax();
  });
  const values = await probabilities.data<"float32">();
  probabilities.dispose();
  return values;
}

function describeRun(): void {
  const { modelName, parameters, steps, dataset, classes } = facts;
  document.title = `${modelName} · Lockstep playground`;
  element("model", HTMLElement).textContent = modelName;
  element("about", HTMLElement).textContent =
    `${parameters.toLocaleString("en")} parameters, trained for ${steps.toLocaleString("en")} steps on ${dataset}`;
  const named = classes.slice(0, NAMED).join(", ");
  const more = classes.length > NAMED ? ` and ${classes.length - NAMED} more` : "";
  element("classes", HTMLElement).textContent = `Classes: ${named}${more}.`;
}

function show(pixels: Uint8Array): void {
  seen.width = width;
  seen.height = height;
  seen.getContext("2d")?.putImageData(imageOf(pixels, width, height), 0, 0);
  seen.hidden = false;
  caption.textContent = `The input of the model: ${width} × ${height} pixels. Drop, paste or choose another picture.`;
  ranking.replaceChildren();
}

/** Shows the most likely classes, each with a bar as long as its probability. */
function rank(probabilities: Float32Array): void {
  const order = [...facts.classes.keys()].sort((a, b) => at(probabilities, b) - at(probabilities, a));
  ranking.replaceChildren(
    ...order.slice(0, SHOWN).map((index) => {
      const percent = `${(100 * at(probabilities, index)).toFixed(1)}%`;
      const bar = document.createElement("div");
      bar.style.width = percent;
      return node("li", node("span", at(facts.classes, index)), node("span", percent), node("div", bar));
    }),
  );
}

function showStatus(text: string): void {
  status.textContent = text;
}

function node(tag: string, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`Expected an element #${id} of type ${type.name} on the page.`);
  return found;
}
