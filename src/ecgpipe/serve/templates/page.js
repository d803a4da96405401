// The list of files (dropped, chosen, pasted or photographed), read one after the other, with their status.
import { resultOf } from "./result.js";
import { ask, maxBytes } from "./server.js";

const drop = document.getElementById("drop");
const queue = document.getElementById("queue");
const list = queue.querySelector("ol");
const bar = queue.querySelector("progress");
const status = document.getElementById("status");
const results = document.getElementById("results");
let waiting = [], current = null;

// Above what the place has, or below it
function showError(text, place, below = false) {
  const line = document.createElement("p");
  line.className = "error";
  line.setAttribute("role", "alert");
  if (below) place.append(line);
  else place.prepend(line);
  line.textContent = text;
}

function update() {
  const total = list.children.length;
  const done = total - waiting.length - (current?.line.isConnected ? 1 : 0); // "Remove all" removes the lines
  queue.hidden = !total;
  bar.max = Math.max(total, 1);
  bar.value = done;
  const text = current ? `Reading file ${done + 1} of ${total}: ${current.file.name} …` : `${done} of ${total} files done`;
  if (status.textContent !== text) status.textContent = text; // else screen readers repeat it every second
  if (current) current.state.textContent = `reading, ${Math.round((Date.now() - current.since) / 1000)} s`;
}

function entryOf(file, section) {
  const line = document.createElement("li");
  const name = document.createElement("span"), state = document.createElement("span");
  name.textContent = file.name;
  state.className = "state";
  state.textContent = "waiting";
  const stop = document.createElement("button");
  stop.type = "button";
  stop.textContent = "Stop";
  stop.setAttribute("aria-label", `Stop ${file.name}`);
  line.append(name, " ", state, " ", stop);
  list.append(line);
  const entry = { file, section, line, name, state, stop, control: new AbortController() };
  stop.addEventListener("click", () => {
    entry.control.abort();
    if (!waiting.includes(entry)) return;
    waiting = waiting.filter((each) => each !== entry);
    finish(entry, "stopped");
  });
  return entry;
}

function finish(entry, text, article) {
  entry.state.textContent = text;
  entry.stop.remove();
  if (!article) {
    entry.line.classList.add("failed");
  } else {
    const link = document.createElement("a");
    link.href = "#results";
    link.textContent = entry.file.name;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      let shown = article;
      while (shown.newer) shown = shown.newer; // read again
      shown.scrollIntoView();
      shown.querySelector("h2").focus({ preventScroll: true });
    });
    entry.name.replaceChildren(link);
  }
}

async function readOne(entry) {
  const { file, section } = entry;
  const say = (text) => showError(text, section, true); // in the order of the files and pages
  try {
    const answer = await (await ask("predict", file, { signal: entry.control.signal })).json();
    const articles = answer.pages.map((page) => resultOf(file, page, showError));
    section.append(...articles);
    answer.errors.forEach(say);
    const count = articles.length, failed = answer.errors.length;
    if (answer.more) say(`${file.name}: only the first ${count + failed} pages are shown; for all: ecgpipe predict FILE`);
    const top = count ? answer.pages[0].words.classes[0] : null;
    const text = count > 1 ? `${count} pages` : count ? `${top.label} ${Math.round(100 * top.probability)}%` : "not predicted";
    finish(entry, count && failed ? `${text}, ${failed} failed` : text, articles[0]);
    if (failed) entry.line.classList.add("failed");
  } catch (error) {
    if (error.name !== "AbortError") say(error.message || String(error));
    finish(entry, error.name === "AbortError" ? "stopped" : "not predicted");
  }
}

async function work() {
  if (current) return;
  while ((current = waiting.shift() ?? null)) {
    current.since = Date.now();
    update();
    const timer = setInterval(update, 1000);
    await readOne(current);
    clearInterval(timer);
  }
  update();
}

function addFiles(files, problems = []) {
  if (!files.length && !problems.length) return;
  const section = document.createElement("section"); // files added together keep their order
  results.prepend(section);
  for (const text of problems) showError(text, section, true);
  for (const file of files) {
    const entry = entryOf(file, section);
    if (file.size > maxBytes) {
      showError(`${file.name}: larger than ${maxBytes / 1e6} MB; use ecgpipe predict`, section, true);
      finish(entry, "too large");
    } else {
      waiting.push(entry);
    }
  }
  update();
  work();
}

// Whether the page's own dialog for files would offer a file
function isPicture(file) {
  const kinds = document.getElementById("file").accept.split(",");
  const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  return kinds.includes(suffix) || kinds.includes(file.type);
}

async function collect(entry, files) {
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // not all at once
    if (!some.length) return;
    for (const each of some) if (!each.name.startsWith(".")) await collect(each, files);
  }
}

// Files that were dropped, and the pictures in folders
async function addDropped(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()); // lost after the first await
  const whole = [...data.files], files = [], problems = [];
  for (const [at, entry] of entries.filter((each, at) => data.items[at].kind === "file").entries()) {
    if (!entry?.isDirectory) {
      if (whole[at]) files.push(whole[at]);
      continue;
    }
    const found = [];
    try {
      await collect(entry, found);
    } catch {
      problems.push(`${entry.name}: a folder that cannot be read; drop its files`);
    }
    const pictures = found.filter(isPicture).sort((a, b) => (a.name < b.name ? -1 : 1));
    files.push(...pictures);
    const others = found.length - pictures.length;
    if (!pictures.length) problems.push(`${entry.name}: a folder without photos, scans or PDF files`);
    else if (others) problems.push(`${entry.name}: ${others} other ${others === 1 ? "file" : "files"} in this folder left out`);
  }
  addFiles(files, problems);
}

document.getElementById("clear").addEventListener("click", () => {
  for (const entry of waiting) entry.control.abort();
  waiting = [];
  current?.control.abort();
  list.replaceChildren();
  results.replaceChildren();
  update();
});
for (const id of ["file", "photo"]) {
  const input = document.getElementById(id);
  input.addEventListener("change", () => { addFiles([...input.files]); input.value = ""; });
}
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
}
document.addEventListener("drop", (event) => addDropped(event.dataTransfer));
document.addEventListener("paste", (event) => addFiles([...event.clipboardData.files]));
const network = document.getElementById("network");
network.hidden = !network.textContent;
// only a page that other machines may open is meant for phones
document.getElementById("camera").hidden = network.hidden || !matchMedia("(any-pointer: coarse)").matches;
