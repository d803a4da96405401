// One predicted page. Text from files and answers is inserted as text (textContent), never as markup.
import { draw } from "./plot.js";
import { ask, classes, download } from "./server.js";
import { enlarge } from "./zoom.js";

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const NO_MARKS = "";

function element(kind, text, parent, className) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

function fillTable(body, rows) {
  for (const entry of rows) {
    const row = element("tr", "", body);
    const head = element("th", entry.label, row);
    head.scope = "row";
    if (entry.meaning) element("span", ` ${entry.meaning}`, head, "meaning");
    element("td", percent(entry.probability), row, "number");
    const meter = element("meter", "", element("td", "", row));
    meter.value = entry.probability;
    meter.setAttribute("aria-label", `${entry.label}: ${percent(entry.probability)}`);
    element("td", entry.result, row);
  }
}

function fillWords(find, page) {
  const { prediction, words } = page;
  find("h2").textContent = prediction.name;
  find(".summary").textContent = words.summary;
  find(".sure").textContent = words.sure;
  find(".thresholds").textContent = words.thresholds || "";
  find(".unusual").hidden = !words.unusual;
  find(".unusual").textContent = words.unusual || "";
  fillTable(find("tbody"), words.classes);
  for (const [term, text] of words.read) {
    element("dt", term, find("dl"));
    element("dd", text, find("dl"));
  }
  for (const note of words.notes) element("li", note, find(".notes"));
  find(".reading").hidden = !words.read.length;
  find(".scales").hidden = !page.plot || prediction.kind === "record";
  find(".remarks").hidden = !words.notes.length;
  if (prediction.rectified) find(".rectified").textContent = ", straightened";
}

function fillPictures(find, page) {
  const figure = (selector) => find(selector).closest("figure");
  if (page.plot) {
    figure(".page").remove();
    figure(".image").remove();
    find(".pictures").classList.add("recording");
    figure(".overlay").after(find(".facts"));
    find(".what").textContent = `The page${page.prediction.rectified ? ", straightened" : ""}. Coloured: the seconds that support`;
  } else {
    figure(".plot").remove();
    find(".page").src = page.page;
    find(".image").src = page.image;
    find(".record").remove();
  }
  fillOverlay(find, page, page);
}

// shown: overlay, overlay_of and heat of an answer
function fillOverlay(find, page, shown) {
  const marked = shown.overlay_of !== NO_MARKS;
  find(".overlay").src = marked ? shown.overlay : page.page;
  find(".overlay").alt = marked ? `The page, saliency map of the class ${shown.overlay_of}` : "The page";
  if (!page.plot) return;
  const scale = draw(find(".plot"), page.plot, marked ? shown.heat : null, shown.overlay_of);
  find(".scale").textContent = `The digitized leads, arranged as on the page. ${scale}.` + (marked ? ` Coloured: the seconds that support ${shown.overlay_of}.` : "");
}

// The article of a page; showError: called with a message and the element that shows it; scales: speed and gain that the
// user has chosen.
export function resultOf(file, page, showError, scales = {}) {
  const article = document.getElementById("result").content.cloneNode(true).firstElementChild;
  const find = (selector) => article.querySelector(selector);
  const number = page.number;
  const select = find("select");
  if (page.plot) select.add(new Option("nothing (no marks)", NO_MARKS));
  for (const label of classes) select.add(new Option(label, label, false, label === page.overlay_of));
  fillWords(find, page);
  fillPictures(find, page);
  const known = { [page.overlay_of]: page, [NO_MARKS]: { overlay_of: NO_MARKS } };
  let shown = page.overlay_of;
  select.addEventListener("change", async () => {
    const label = select.value;
    article.classList.add("busy");
    try {
      known[label] ||= await (await ask("overlay", file, { label, number, scales })).json();
      if (select.value === label) {
        fillOverlay(find, page, known[label]);
        shown = label;
      }
    } catch (error) {
      showError(error.message, article);
      if (select.value === label) select.value = shown; // the picture still has its marks
    }
    if (select.value === label || select.value === shown) article.classList.remove("busy");
  });
  for (const action of ["report", "record"]) {
    const button = find(`.${action}`);
    button?.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await download(action, file, { label: select.value || page.overlay_of, number, scales });
      } catch (error) {
        showError(error.message, article);
      }
      button.disabled = false;
    });
  }
  for (const button of article.querySelectorAll(".enlarge")) {
    const picture = button.firstElementChild;
    button.title = "Enlarge"; // its name is that of the picture
    button.addEventListener("click", () => enlarge(picture, page.prediction.name));
  }
  for (const name of ["speed", "gain"]) {
    const choice = find(`.scales .${name}`);
    choice.value = scales[name] ?? "";
    choice.addEventListener("change", () => readAgain(article, file, page, showError, { ...scales, [name]: choice.value }));
  }
  find(".remove").addEventListener("click", () => article.remove());
  return article;
}

async function readAgain(article, file, page, showError, scales) {
  article.classList.add("busy");
  const choices = article.querySelectorAll(".scales select");
  for (const choice of choices) choice.disabled = true;
  try {
    const answer = await (await ask("predict", file, { label: page.overlay_of, scales })).json();
    const name = page.prediction.name;
    const found = answer.pages.find((each) => each.prediction.name === name);
    if (!found) throw new Error(answer.errors.find((text) => text.startsWith(name)) ?? `${name}: cannot be read so`);
    article.newer = resultOf(file, found, showError, scales);
    article.replaceWith(article.newer);
  } catch (error) {
    showError(error.message, article);
    for (const choice of choices) choice.disabled = false;
    article.classList.remove("busy");
  }
}
