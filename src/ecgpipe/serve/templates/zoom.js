// A picture or drawing in full size: the wheel, buttons and the keys + - 0 zoom, dragging moves it.
const dialog = document.getElementById("zoom");
const view = dialog.querySelector(".view");
const STEP = 1.4, LEAST = 1, MOST = 12;
let shown = null, ratio = 1, zoom = 1, drag = null;

function fitted() {
  return Math.min(view.clientWidth, view.clientHeight * ratio);
}

// Keeps the point at (x, y) of the view in place.
function resize(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const before = shown.getBoundingClientRect(), frame = view.getBoundingClientRect();
  const across = (x + frame.left - before.left) / (before.width || 1), down = (y + frame.top - before.top) / (before.height || 1);
  zoom = Math.max(LEAST, Math.min(MOST, wanted));
  shown.style.width = `${fitted() * zoom}px`;
  shown.style.height = `${(fitted() * zoom) / ratio}px`;
  const after = shown.getBoundingClientRect();
  view.scrollLeft += after.left + across * after.width - (x + frame.left);
  view.scrollTop += after.top + down * after.height - (y + frame.top);
  dialog.querySelector(".smaller").disabled = zoom <= LEAST;
  dialog.querySelector(".larger").disabled = zoom >= MOST;
}

export function enlarge(element, title) {
  shown = element.cloneNode(true);
  const box = element.viewBox?.baseVal;
  ratio = box ? box.width / box.height : element.naturalWidth / element.naturalHeight;
  dialog.querySelector(".title").textContent = title;
  view.replaceChildren(shown);
  dialog.showModal();
  resize(1);
  view.focus();
}

dialog.querySelector(".larger").addEventListener("click", () => resize(zoom * STEP));
dialog.querySelector(".smaller").addEventListener("click", () => resize(zoom / STEP));
dialog.querySelector(".fit").addEventListener("click", () => resize(1));
dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => { view.replaceChildren(); shown = null; drag = null; });
window.addEventListener("resize", () => { if (shown) resize(zoom); });
dialog.addEventListener("keydown", (event) => {
  const factor = { "+": STEP, "=": STEP, "-": 1 / STEP, 0: 0 }[event.key];
  if (factor === undefined || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  resize(zoom * factor);
});
view.addEventListener("wheel", (event) => {
  event.preventDefault();
  const frame = view.getBoundingClientRect();
  resize(zoom * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event.clientX - frame.left, event.clientY - frame.top);
}, { passive: false });
view.addEventListener("dblclick", (event) => {
  const frame = view.getBoundingClientRect();
  resize(zoom > 1 ? 1 : 3, event.clientX - frame.left, event.clientY - frame.top);
});
view.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button) return; // a finger scrolls by itself
  drag = { x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
  view.setPointerCapture(event.pointerId);
  event.preventDefault();
});
view.addEventListener("pointermove", (event) => {
  if (drag) view.scrollTo(drag.x - event.clientX, drag.y - event.clientY);
});
for (const kind of ["pointerup", "pointercancel"]) view.addEventListener(kind, () => { drag = null; });
