// The digitized leads on a grid in millimetres, arranged as on the page. One unit of the drawing is 1 mm.
const SMALL = 1, LARGE = 5, LEAST_UP = 10, LEAST_DOWN = 5, MOST = 30, MARGIN = 5, AXIS = 6, OPACITY = 0.8;

function add(parent, name, attributes, text) {
  const made = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

// Leads whose times do not overlap share a row.
function rowsOf(leads, rate) {
  const rows = [];
  leads.forEach((lead, number) => {
    const start = lead.start, end = lead.start + lead.values.length / rate;
    const free = (row) => row.every((other) => start > other.end - 0.1 || end < other.start + 0.1);
    let row = rows.find(free);
    if (!row) rows.push((row = []));
    row.push({ lead, number, start, end });
  });
  return rows;
}

function grid(svg, width, height) {
  const lines = (step, skip) => {
    let path = "";
    for (let x = 0; x <= width; x += step) if (!skip || x % skip) path += `M${x} 0V${height}`;
    for (let y = 0; y <= height; y += step) if (!skip || y % skip) path += `M0 ${y}H${width}`;
    return path;
  };
  add(svg, "path", { class: "small-squares", d: lines(SMALL, LARGE) });
  add(svg, "path", { class: "large-squares", d: lines(LARGE) });
}

function trace(values, x, y) {
  let path = "", drawing = false;
  values.forEach((value, at) => {
    if (value !== null) path += `${drawing ? "L" : "M"}${x(at).toFixed(2)} ${y(value).toFixed(2)}`;
    drawing = value !== null;
  });
  return path;
}

function bands(svg, heat, rate, left, top, height, speed) {
  const width = speed / rate;
  for (let at = 0; at < heat.length; ) {
    let end = at + 1;
    while (end < heat.length && heat[end] === heat[at]) end += 1;
    const place = { x: (left + at * width).toFixed(2), y: top, width: ((end - at) * width).toFixed(2), height };
    if (heat[at]) add(svg, "rect", { class: "heat", ...place, "fill-opacity": (OPACITY * heat[at]) / 100 });
    at = end;
  }
}

// heat: null, or how much each sample supports a class
export function draw(svg, plot, heat, label) {
  svg.replaceChildren();
  const { speed, gain, rate } = plot;
  const mm = (value) => Math.max(-MOST, Math.min(MOST, (value * gain) / 1000));
  const rows = rowsOf(plot.leads, rate);
  const seconds = Math.max(...rows.flat().map((each) => each.end));
  const width = Math.ceil((seconds * speed) / LARGE) * LARGE + 2 * MARGIN;
  let height = 0;
  for (const row of rows) {
    const values = row.flatMap((each) => each.lead.values).filter((value) => value !== null).map(mm);
    const up = values.reduce((most, value) => Math.max(most, value), LEAST_UP);
    const down = values.reduce((most, value) => Math.max(most, -value), LEAST_DOWN);
    row.top = height;
    row.zero = height + Math.ceil((up + 3) / LARGE) * LARGE; // room for the name
    row.height = Math.ceil((row.zero - height + down) / LARGE) * LARGE;
    height += row.height;
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height + AXIS}`);
  svg.setAttribute("aria-label", `The digitized leads: ${[...new Set(plot.leads.map((lead) => lead.name))].join(", ")}`);
  add(svg, "rect", { class: "paper", x: 0, y: 0, width, height: height + AXIS });
  grid(svg, width, height);
  for (const row of rows) {
    for (const { lead, number, start } of row) {
      const left = MARGIN + start * speed;
      if (heat) bands(svg, heat.leads[number], heat.rate, left, row.top, row.height, speed);
      const group = add(svg, "g", {});
      if (heat) add(group, "title", {}, `${lead.name}; coloured where it supports ${label}`);
      add(group, "path", { class: "trace", d: trace(lead.values, (at) => left + (at / rate) * speed, (value) => row.zero - mm(value)) });
      add(group, "text", { class: "lead", x: left + 1, y: row.top + 4.2 }, lead.name);
    }
  }
  for (let second = 0; second <= seconds + 0.01; second += 1) {
    add(svg, "text", { class: "second", x: MARGIN + second * speed, y: height + 4.4 }, `${second} s`);
  }
  return `${speed} mm/s, ${gain} mm/mV: a small square is ${1000 / speed} ms and ${1 / gain} mV`;
}
