"use strict";
// All text from files and answers goes in as text (textContent), never as markup.
const meta = (name) => document.querySelector(`meta[name="ecgpipe-${name}"]`).content;
const classes = JSON.parse(meta("classes"));
const largest = Number(meta("largest"));
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

function complain(text) {
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
  for (const [label, told] of order) {
    const row = document.createElement("tr");
    cell(row, label, "head");
    cell(row, percent(told.probability), "number");
    const meter = document.createElement("meter");
    meter.value = told.probability;
    meter.setAttribute("aria-label", `${label}: ${percent(told.probability)}`);
    cell(row, "").append(meter);
    cell(row, percent(told.raw), "number raw");
    const marks = prediction.called.includes(label) ? ["called"] : [];
    const reached = told.decisions.filter((decision) => decision.called).map((decision) => decision.specificity);
    if (reached.length) marks.push(`above the threshold of ${Math.round(100 * Math.max(...reached))}% specificity`);
    cell(row, marks.join(", "));
    body.append(row);
  }
}

function show(file, number, page) {
  const article = document.getElementById("result").content.cloneNode(true).firstElementChild;
  const prediction = page.prediction, find = (selector) => article.querySelector(selector);
  find("h2").textContent = prediction.name;
  rows(find("tbody"), prediction);
  const unusual = prediction.out_of_distribution;
  if (unusual && unusual.unusual) {
    find(".unusual").hidden = false;
    find(".unusual").textContent =
      `Unusual: this does not look like the training images (score ${unusual.score.toFixed(2)}, usual up to 1). ` +
      "Is it a whole ECG page, upright, of the layout that the model learned? The probabilities mean little here.";
  }
  for (const note of prediction.notes) {
    const line = document.createElement("li");
    line.textContent = note;
    find(".notes").append(line);
  }
  if (prediction.straightened) find(".straight").textContent = ", found and straightened";
  const select = find("select");
  for (const label of classes) select.add(new Option(label, label, false, label === page.overlay_of));
  const draw = (answer) => {
    find(".page").src = answer.page;
    find(".image").src = answer.image;
    find(".overlay").src = answer.overlay;
    find(".overlay").alt = `The page, coloured where the model looks for ${answer.overlay_of}`;
  };
  draw(page);
  select.addEventListener("change", () => {
    const wanted = select.value;
    find(".overlay").classList.add("busy");
    later(async () => {
      try {
        const answer = await ask(file, wanted);
        if (select.value === wanted && answer.pages[number]) draw(answer.pages[number]);
      } finally {
        find(".overlay").classList.remove("busy");
      }
    });
  });
  results.prepend(article);
}

function later(work) {
  queue = queue.then(work).catch((error) => complain(error.message || String(error)));
  return queue;
}

function take(files) {
  for (const file of files) {
    if (file.size > largest) {
      complain(`${file.name}: larger than ${largest / 1e6} MB; use ecgpipe predict`);
      continue;
    }
    later(async () => {
      status.textContent = `Predicting ${file.name} …`;
      try {
        const answer = await ask(file, null);
        answer.pages.forEach((page, number) => show(file, number, page));
        answer.errors.forEach(complain);
        if (answer.more) complain(`${file.name}: only its first pages are shown; use ecgpipe predict for all`);
      } finally {
        status.textContent = "";
      }
    });
  }
}

input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
}
document.addEventListener("drop", (event) => take([...event.dataTransfer.files]));
