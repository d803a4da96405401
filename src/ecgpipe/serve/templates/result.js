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
  for (const note of prediction.notes) element("li", note, find(".notes"));
  find(".reading").hidden = !words.read.length;
  find(".remarks").hidden = !prediction.notes.length;
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

// The article of a page; showError: called with a message and the element that shows it.
export function resultOf(file, page, showError) {
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
      known[label] ||= await (await ask("overlay", file, { label, number })).json();
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
        await download(action, file, { label: select.value || page.overlay_of, number });
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
  find(".remove").addEventListener("click", () => article.remove());
  return article;
}
