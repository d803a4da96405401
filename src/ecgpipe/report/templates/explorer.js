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
  const full = (view, label) => (data.class_names[view.dataset] || {})[view.classes[label]]; // what an abbreviation stands for
  const spelled = (view, label) => view.classes[label] + (full(view, label) ? " (" + full(view, label) + ")" : "");
  const names = (view, labels) => (labels === null ? "no prediction" : labels.map((label) => view.classes[label]).join(", ") || "none");

  function fill() {
    const now = view();
    if (!now) return;
    options(fields.model, now.models.map((model, m) => [m, name(model.name)]));
    const classes = [["", "any"], ...now.classes.map((_, i) => [i, spelled(now, i)])];
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
    if (shown && shown.image) thumb.append(element("img", undefined, { alt: "", loading: "lazy", className: "thumb", width: 112, height: 63, src: shown.image[0] }));
    const answer = now.predicted[m][i], right = now.right[m][i];
    made.append(head, thumb, element("td", names(now, now.truth[i])), element("td", names(now, answer)));
    made.append(element("td", text(worst(now, m, i)), { className: "number" }));
    const top = answer && answer.length ? probability(now, m, i, answer[0]) : null;
    made.append(element("td", text(top), { className: "number" }));
    made.append(element("td", right === null ? "–" : right ? "✓ right" : "✗ wrong", { className: right === false ? "bad" : "" }));
    return made;
  }
  const address = (now, i) => "#record/" + [now.dataset, now.protocol, now.ids[i]].map(encodeURIComponent).join("/");
  let current = -1; // place of the open record among the rows
  function step(by) {
    if (rows[current + by] === undefined) return;
    while (drawn <= current + by) more(); // so that the focus can return to its row
    show(view(), rows[current + by]);
  }
  function open() { // the record that the address names, if it names one
    const [kind, ...wanted] = location.hash.slice(1).split("/").map(decodeURIComponent);
    const found = data.views.findIndex((one) => one.dataset === wanted[0] && one.protocol === wanted[1]);
    const i = kind === "record" && found >= 0 ? data.views[found].ids.indexOf(wanted[2]) : -1;
    if (i < 0) return;
    if (Number(fields.view.value) !== found || !rows.includes(i)) {
      get("filters").reset();
      fields.view.value = found;
      fill();
    }
    show(view(), i);
  }
  function show(now, i) {
    const id = now.ids[i], shown = picture(now, i);
    current = rows.indexOf(i);
    get("previous").disabled = current <= 0;
    get("next").disabled = current >= rows.length - 1;
    get("record-link").href = address(now, i);
    history.replaceState(null, "", address(now, i));
    get("record-title").textContent = "Record " + id + ", " + (data.titles[now.dataset] || now.dataset);
    get("record-truth").textContent = "True: " + (now.truth[i].map((label) => spelled(now, label)).join(", ") || "none") + ". " + now.role[0].toUpperCase() + now.role.slice(1) + " record, protocol " + now.protocol + ".";
    get("record-page").replaceChildren();
    get("record-image").replaceChildren();
    if (!shown) get("record-page").append(element("p", "The report has no picture of this record. Raise report.explorer_pictures for more pictures."));
    else {
      const maps = heats.get([now.dataset, now.protocol, id].join("\n")) || [];
      if (shown.page) get("record-page").append(overlay(now, id, shown.page, maps));
      if (shown.image) get("record-image").append(figure(shown.image, "Binary image that models see, record " + id, "The binary image that models see", "model-image"));
    }
    const head = element("tr");
    head.append(element("th", "Model", { scope: "col" }), ...now.classes.map((label, c) => element("th", label + (now.truth[i].includes(c) ? " *" : ""), { scope: "col", className: "number", title: full(now, c) || "" })));
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
    if (!get("record").open) get("record").showModal();
    get("record").scrollTop = 0;
  }
  const image = ([src, width, height], alt) => element("img", undefined, { width, height, alt, src });
  function figure(source, alt, caption, style) {
    const made = element("figure", undefined, { className: style });
    made.append(image(source, alt), element("figcaption", caption));
    return made;
  }
  function overlay(now, id, page, maps) {
    const made = element("figure"), stack = element("div", undefined, { className: "stack" });
    stack.append(image(page, "Page of record " + id));
    made.append(stack);
    if (!maps.length) return made.append(element("figcaption", "The page. No saliency map exists for this record.")), made;
    const [top, right, bottom, left] = data.margins[now.dataset];
    const heat = element("img", undefined, { className: "heat", alt: "", width: 40, height: 40 });
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
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));
  get("record").addEventListener("keydown", (event) => {
    if (event.target.matches("select, input") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  get("record").addEventListener("close", () => {
    history.replaceState(null, "", "#explorer");
    body.rows[current]?.querySelector("button").focus();
  });
  addEventListener("hashchange", open);
  fill();
  open();
})();
