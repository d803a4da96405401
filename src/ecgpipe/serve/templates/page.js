"use strict";
// Text from files and answers is inserted as text (textContent), never as markup.
const meta = (name) => document.querySelector(`meta[name="ecgpipe-${name}"]`).content;
const classes = JSON.parse(meta("classes"));
const maxBytes = Number(meta("max-bytes"));
const drop = document.getElementById("drop");
const input = document.getElementById("file");
const status = document.getElementById("status");
const results = document.getElementById("results");
const percent = (share) => `${(100 * share).toFixed(1)}%`;
let queue = Promise.resolve();

async function ask(file, label) {
  const headers = { "x-ecgpipe-token": meta("token"), "x-file-name": encodeURIComponent(file.name), "content-type": "application/octet-stream" };
  if (label) headers["x-overlay-class"] = encodeURIComponent(label);
  const answer = await fetch("/predict", { method: "POST", headers, body: file });
  if (!answer.ok) throw new Error(`${file.name}: ${(await answer.text()).trim()}`);
  return answer.json();
}

function showError(text) {
  const line = document.createElement("p");
  line.className = "error";
  line.textContent = text;
  results.prepend(line);
}

function cell(row, text, kind) {
  const made = document.createElement(kind === "head" ? "th" : "td");
  if (kind === "head") made.scope = "row";
  else if (kind) made.className = kind;
  made.textContent = text;
  row.append(made);
  return made;
}

function rows(body, prediction) {
  const order = Object.entries(prediction.classes).sort((a, b) => b[1].probability - a[1].probability);
  for (const [label, entry] of order) {
    const row = document.createElement("tr");
    cell(row, label, "head");
    cell(row, percent(entry.probability), "number");
    const meter = document.createElement("meter");
    meter.value = entry.probability;
    meter.setAttribute("aria-label", `${label}: ${percent(entry.probability)}`);
    cell(row, "").append(meter);
    cell(row, percent(entry.uncalibrated), "number raw");
    const marks = prediction.predicted.includes(label) ? [meta("predicted")] : [];
    const reached = entry.thresholds.filter((threshold) => threshold.reached).map((threshold) => threshold.specificity);
    if (reached.length) marks.push(`reaches its threshold for ${Math.round(100 * Math.max(...reached))}% specificity`);
    cell(row, marks.join(", "));
    body.append(row);
  }
}

function show(file, number, page) {
  const article = document.getElementById("result").content.cloneNode(true).firstElementChild;
  const prediction = page.prediction, find = (selector) => article.querySelector(selector);
  find("h2").textContent = prediction.name;
  rows(find("tbody"), prediction);
  const ood = prediction.out_of_distribution;
  if (ood && ood.unusual) {
    find(".unusual").hidden = false;
    find(".unusual").textContent =
      `Unusual: this image differs from the training images (score ${ood.score.toFixed(2)}, limit 1). ` +
      "Is it a whole, upright ECG page in a layout that the model learned? Do not rely on the probabilities.";
  }
  for (const note of prediction.notes) {
    const line = document.createElement("li");
    line.textContent = note;
    find(".notes").append(line);
  }
  if (prediction.rectified) find(".rectified").textContent = ", straightened";
  const select = find("select");
  for (const label of classes) select.add(new Option(label, label, false, label === page.overlay_of));
  const fill = (answer) => {
    find(".page").src = answer.page;
    find(".image").src = answer.image;
    find(".overlay").src = answer.overlay;
    find(".overlay").alt = `The page, saliency map of the class ${answer.overlay_of}`;
  };
  fill(page);
  select.addEventListener("change", () => {
    const wanted = select.value;
    find(".overlay").classList.add("busy");
    enqueue(async () => {
      try {
        const answer = await ask(file, wanted);
        if (select.value === wanted && answer.pages[number]) fill(answer.pages[number]);
      } finally {
        find(".overlay").classList.remove("busy");
      }
    });
  });
  results.prepend(article);
}

function enqueue(work) {
  queue = queue.then(work).catch((error) => showError(error.message || String(error)));
  return queue;
}

function addFiles(files) {
  for (const file of files) {
    if (file.size > maxBytes) {
      showError(`${file.name}: larger than ${maxBytes / 1e6} MB; use ecgpipe predict`);
      continue;
    }
    enqueue(async () => {
      status.textContent = `Predicting ${file.name} …`;
      try {
        const answer = await ask(file, null);
        answer.pages.forEach((page, number) => show(file, number, page));
        answer.errors.forEach(showError);
        if (answer.more) showError(`${file.name}: only the first pages are shown; ecgpipe predict has no limit`);
      } finally {
        status.textContent = "";
      }
    });
  }
}

input.addEventListener("change", () => { addFiles([...input.files]); input.value = ""; });
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
}
document.addEventListener("drop", (event) => addFiles([...event.dataTransfer.files]));
