(() => {
  "use strict";
  const PAGE = 50; // rows per page
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const get = (id) => document.getElementById(id);
  const fields = Object.fromEntries(
    ["view", "model", "truth", "predicted", "outcome", "order", "id", "pictures"].map((name) => [name, get("f-" + name)])
  );
  const body = document.querySelector("#records tbody");
  const heats = new Map();
  for (const one of data.heats) {
    const key = [one.dataset, one.protocol, one.record].join("\n");
    if (!heats.has(key)) heats.set(key, []);
    heats.get(key).push(one);
  }
  const element = (tag, text, properties) => {
    const made = Object.assign(document.createElement(tag), properties || {});
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const options = (select, pairs) => select.replaceChildren(...pairs.map(([value, text]) => element("option", text, { value })));
  const name = (model) => data.names[model] || model;

  // Predictions of every model: predicted[m][i] is a list of classes, right[m][i] a boolean, null without a prediction.
  for (const view of data.views) {
    const size = view.classes.length;
    view.truthKey = view.truth.map((labels) => labels.join(","));
    view.predicted = view.models.map((model) =>
      view.ids.map((_, i) => {
        const p = model.p.slice(i * size, (i + 1) * size);
        if (p[0] === null) return null;
        if (view.task === "single") return [p.indexOf(Math.max(...p))];
        return p.flatMap((value, label) => (value >= 1000 * view.threshold ? [label] : []));
      })
    );
    view.right = view.predicted.map((answers) =>
      answers.map((predicted, i) => {
        if (predicted === null) return null;
        return view.task === "single" ? view.truth[i].includes(predicted[0]) : predicted.join(",") === view.truthKey[i];
      })
    );
  }
  options(fields.view, data.views.map((view, i) => [i, (data.titles[view.dataset] || view.dataset) + ", " + view.protocol]));

  let rows = [], drawn = 0;
  const view = () => data.views[Number(fields.view.value)];
  const picture = (view, i) => (data.pictures[view.dataset] || {})[view.ids[i]];
  const probability = (view, m, i, label) => view.models[m].p[i * view.classes.length + label];
  const text = (value) => (value === null || value === undefined ? "–" : (value / 1000).toFixed(3));
  const worst = (view, m, i) => (view.truth[i].length ? Math.min(...view.truth[i].map((label) => probability(view, m, i, label) ?? 1000)) : null);
  const names = (view, labels) => (labels === null ? "no prediction" : labels.map((label) => view.classes[label]).join(", ") || "none");

  function fill() {
    const now = view();
    if (!now) return;
    options(fields.model, now.models.map((model, m) => [m, name(model.name)]));
    const classes = [["", "any"], ...now.classes.map((label, i) => [i, label])];
    options(fields.truth, classes);
    options(fields.predicted, classes);
    filter();
  }
  function filter() {
    const now = view(), m = Number(fields.model.value);
    if (!now) return void (get("count").textContent = "No predictions to show.");
    const wanted = fields.id.value.trim().toLowerCase();
    const truth = fields.truth.value, predicted = fields.predicted.value, outcome = fields.outcome.value;
    rows = [];
    for (let i = 0; i < now.ids.length; i++) {
      if (truth !== "" && !now.truth[i].includes(Number(truth))) continue;
      if (predicted !== "" && !(now.predicted[m][i] || []).includes(Number(predicted))) continue;
      if (outcome === "right" && now.right[m][i] !== true) continue;
      if (outcome === "wrong" && now.right[m][i] !== false) continue;
      if (outcome === "disagree" && new Set(now.right.map((model) => model[i]).filter((r) => r !== null)).size < 2) continue;
      if (wanted && !now.ids[i].toLowerCase().includes(wanted)) continue;
      if (fields.pictures.checked && !picture(now, i)) continue;
      rows.push(i);
    }
    if (fields.order.value === "truth") rows.sort((a, b) => worst(now, m, a) - worst(now, m, b));
    const right = rows.filter((i) => now.right[m][i]).length;
    get("count").textContent = rows.length + " of " + now.ids.length + " " + now.role + " records, " + right + " of them right (" + name(now.models[m].name) + ").";
    drawn = 0;
    body.replaceChildren();
    more();
  }
  function more() {
    const now = view(), m = Number(fields.model.value), part = document.createDocumentFragment();
    for (const i of rows.slice(drawn, drawn + PAGE)) part.append(row(now, m, i));
    body.append(part);
    drawn = Math.min(rows.length, drawn + PAGE);
    get("more").hidden = drawn >= rows.length;
  }
  function row(now, m, i) {
    const made = element("tr"), head = element("th", undefined, { scope: "row" });
    const open = element("button", now.ids[i], { type: "button", className: "open" });
    open.setAttribute("aria-haspopup", "dialog");
    open.addEventListener("click", () => show(now, i));
    head.append(open);
    const thumb = element("td"), shown = picture(now, i);
    if (shown && shown.image) thumb.append(element("img", undefined, { src: shown.image, alt: "", loading: "lazy", className: "thumb" }));
    const answer = now.predicted[m][i], right = now.right[m][i];
    made.append(head, thumb, element("td", names(now, now.truth[i])), element("td", names(now, answer)));
    made.append(element("td", text(worst(now, m, i)), { className: "number" }));
    const top = answer && answer.length ? probability(now, m, i, answer[0]) : null;
    made.append(element("td", text(top), { className: "number" }));
    made.append(element("td", right === null ? "–" : right ? "✓ right" : "✗ wrong", { className: right === false ? "bad" : "" }));
    return made;
  }
  function show(now, i) {
    const id = now.ids[i], shown = picture(now, i);
    get("record-title").textContent = "Record " + id + ", " + (data.titles[now.dataset] || now.dataset);
    get("record-truth").textContent = "True: " + names(now, now.truth[i]) + ". Role: " + now.role + ", protocol " + now.protocol + ".";
    const place = get("record-pictures");
    place.replaceChildren();
    if (!shown) place.append(element("p", "This page has no picture of this record (report.explorer_pictures)."));
    else {
      const maps = heats.get([now.dataset, now.protocol, id].join("\n")) || [];
      if (shown.page) place.append(overlay(now, id, shown.page, maps));
      if (shown.image) place.append(figure(shown.image, "Binary image that models see, record " + id, "The binary image that models see", "model-image"));
    }
    const head = element("tr");
    head.append(element("th", "Model", { scope: "col" }), ...now.classes.map((label, c) => element("th", label + (now.truth[i].includes(c) ? " *" : ""), { scope: "col", className: "number" })));
    get("p-head").replaceChildren(head);
    get("p-body").replaceChildren(
      ...now.models.map((model, m) => {
        const line = element("tr");
        line.append(element("th", name(model.name), { scope: "row" }));
        now.classes.forEach((label, c) => {
          const p = probability(now, m, i, c), cell = element("td", text(p), { className: "number bar" });
          cell.style.setProperty("--share", (p || 0) / 10 + "%");
          line.append(cell);
        });
        return line;
      })
    );
    get("record").showModal();
  }
  function figure(source, alt, caption, style) {
    const made = element("figure", undefined, { className: style });
    made.append(element("img", undefined, { src: source, alt }), element("figcaption", caption));
    return made;
  }
  function overlay(now, id, page, maps) {
    const made = element("figure"), stack = element("div", undefined, { className: "stack" });
    stack.append(element("img", undefined, { src: page, alt: "Page of record " + id }));
    made.append(stack);
    if (!maps.length) return made.append(element("figcaption", "The page. No saliency map exists for this record.")), made;
    const [top, right, bottom, left] = data.margins[now.dataset];
    const heat = element("img", undefined, { className: "heat", alt: "" });
    Object.assign(heat.style, { top: 100 * top + "%", left: 100 * left + "%", width: 100 * (1 - left - right) + "%", height: 100 * (1 - top - bottom) + "%" });
    stack.append(heat);
    const choice = element("select"), strength = element("input", undefined, { type: "range", min: 0, max: 1, step: 0.05, value: 0.8 });
    options(choice, [["", "no overlay"], ...maps.map((one, m) => [m, name(one.model)])]);
    const draw = () => {
      const one = choice.value === "" ? null : maps[Number(choice.value)];
      heat.hidden = !one;
      if (one) {
        heat.src = one.heat;
        heat.alt = "Saliency of " + name(one.model) + " for " + now.classes[one.label];
      }
      heat.style.opacity = strength.value;
    };
    choice.value = "0";
    const labels = [["Saliency of ", choice], ["Strength ", strength]].map(([text, field]) => {
      const label = element("label", text);
      label.append(field);
      field.addEventListener("input", draw);
      return label;
    });
    draw();
    const caption = element("figcaption");
    caption.append(...labels);
    made.append(caption);
    return made;
  }
  for (const [field, control] of Object.entries(fields)) control.addEventListener("input", field === "view" ? fill : filter);
  get("filters").addEventListener("reset", () => setTimeout(fill));
  get("filters").addEventListener("submit", (event) => event.preventDefault());
  get("more").addEventListener("click", () => {
    const first = drawn;
    more();
    body.rows[first]?.querySelector("button").focus();
  });
  fill();
})();
