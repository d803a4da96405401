// Requests to the server. Each sends the file again, since the server stores none.
const meta = (name) => document.querySelector(`meta[name="ecgpipe-${name}"]`).content;
export const classes = JSON.parse(meta("classes"));
export const maxBytes = Number(meta("max-bytes"));

const PATIENCE = 60; // seconds that a busy server may take

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

// action: predict, overlay, record or report; scales: speed and gain of the page, if the user knows them
export async function ask(action, file, { label, number, scales, signal } = {}) {
  const headers = { "x-ecgpipe-token": meta("token"), "x-file-name": encodeURIComponent(file.name), "content-type": "application/octet-stream" };
  if (label) headers["x-overlay-class"] = encodeURIComponent(label);
  if (number) headers["x-page"] = String(number);
  for (const [name, value] of Object.entries(scales ?? {})) if (value) headers[`x-${name}`] = value;
  for (let waited = 0; ;) {
    let answer;
    try {
      answer = await fetch(`/${action}`, { method: "POST", headers, body: file, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(`${file.name}: no answer. Is ecgpipe serve still running, and does the file still exist?`);
    }
    if (answer.ok) return answer;
    const wait = Number(answer.headers.get("retry-after")) || 5;
    if (answer.status === 503 && waited < PATIENCE) {
      waited += wait;
      await pause(wait, signal);
      continue;
    }
    const message = (await answer.text()).trim();
    throw new Error(answer.status === 422 ? message : `${file.name}: ${message}`); // 422: the message names the file
  }
}

export async function download(action, file, options) {
  const answer = await ask(action, file, options);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = decodeURIComponent(/filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("content-disposition"))[1]);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
