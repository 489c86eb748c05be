"use strict";
// Browses the rows that lie packed in #rows-data. Everything in them is data: it becomes text nodes, never markup.
(async function () {
  const ROW_HEIGHT = 34, BEYOND = 8;
  const $ = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const option = (value, text) => Object.assign(make("option", "", text), { value });

  async function unpacked(base64) {
    const bytes = Uint8Array.from(atob(base64.trim()), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  if (typeof DecompressionStream === "undefined") {
    $("rows-count").textContent = "This browser cannot unpack the rows: use one from 2023 or later.";
    return;
  }
  const data = await unpacked($("rows-data").textContent);
  const everyone = data.variants.map((_, index) => index);
  const texts = data.rows.map((row) =>
    [row.id, row.context, ...row.answers.map((answer) => answer.text)].join("\n").toLowerCase());

  // The filters -------------------------------------------------------------------------------------------------
  const right = (row, variant) => row.answers[variant].is[0] === data.right;
  const has = (row, variants, parts) => variants.some((v) => row.answers[v].is.some((found) => parts.includes(found)));

  function asked() {
    const [type, value] = $("rows-kind").value.split(":");
    const variants = $("rows-variant").value === "" ? everyone : [Number($("rows-variant").value)];
    const text = $("rows-text").value.trim().toLowerCase();
    const expected = $("rows-expected").value;
    const change = $("rows-change").value.split(":");
    return (row, index) => {
      if (type === "wrong" && variants.every((v) => right(row, v))) return false;
      if (type === "right" && !variants.every((v) => right(row, v))) return false;
      if (type === "kind" && !has(row, variants, data.kinds[value])) return false;
      if (type === "part" && !has(row, variants, [value])) return false;
      if (expected && row.call_kind !== expected) return false;
      if (change.length === 3) {
        const [before, after] = [right(row, change[1]), right(row, change[2])];
        if (change[0] === "lost" ? !(before && !after) : !(after && !before)) return false;
      }
      return !text || texts[index].includes(text);
    };
  }

  function fillFilters() {
    data.variants.forEach((name, index) => $("rows-variant").append(option(index, name)));
    [...new Set(data.rows.map((row) => row.call_kind))].sort()
      .forEach((kind) => $("rows-expected").append(option(kind, kind)));
    const kinds = $("rows-kind");
    kinds.append(option("all", "all rows"), option("right", "right"), option("wrong", "any failure"));
    for (const [kind, parts] of Object.entries(data.kinds)) {
      if (parts.length === 1) {
        kinds.append(option(`kind:${kind}`, kind));
        continue;
      }
      const group = Object.assign(make("optgroup"), { label: kind });
      group.append(option(`kind:${kind}`, `${kind}: any`), ...parts.map((part) => option(`part:${part}`, part)));
      kinds.append(group);
    }
    for (const [before, after] of data.changes) {
      const names = `${data.variants[before]} to ${data.variants[after]}`;
      $("rows-change").append(option(`lost:${before}:${after}`, `${names}: lost`));
      $("rows-change").append(option(`won:${before}:${after}`, `${names}: won`));
    }
    $("rows-change").parentElement.hidden = !data.changes.length;
  }

  function countKinds() {
    const variants = $("rows-variant").value === "" ? everyone : [Number($("rows-variant").value)];
    for (const each of $("rows-kind").querySelectorAll("option")) {
      const [type, value] = each.value.split(":");
      if (type !== "kind" && type !== "part") continue;
      const parts = type === "kind" ? data.kinds[value] : [value];
      const count = data.rows.filter((row) => has(row, variants, parts)).length;
      each.textContent = `${type === "kind" && parts.length > 1 ? `${value}: any` : value} (${count})`;
      each.disabled = !count;
    }
  }

  // The list: only the rows in sight are elements -----------------------------------------------------------------
  const list = $("rows-list"), inside = $("rows-inside");
  let shown = [], selected = -1;

  function verdictCell(answer) {
    const fine = answer.is[0] === data.right;
    return make("span", `verdict ${fine ? "good" : "bad"}`, fine ? "✓ right" : answer.is[0]);
  }

  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - BEYOND);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_HEIGHT) + BEYOND);
    const rows = [];
    for (let place = first; place < last; place++) {
      const row = data.rows[shown[place]];
      const line = make("div", `row${place === selected ? " selected" : ""}`);
      line.style.top = `${place * ROW_HEIGHT}px`;
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", String(place === selected));
      line.append(make("span", "id", row.id), make("span", "asked", row.context), ...row.answers.map(verdictCell));
      line.addEventListener("click", () => select(place));
      rows.push(line);
    }
    inside.replaceChildren(...rows);
  }

  function filter() {
    const wanted = asked();
    shown = [];
    data.rows.forEach((row, index) => { if (wanted(row, index)) shown.push(index); });
    $("rows-count").textContent = `${shown.length} of ${data.rows.length} rows`;
    inside.style.height = `${shown.length * ROW_HEIGHT}px`;
    list.scrollTop = 0;
    select(shown.length ? 0 : -1);
  }

  function select(place) {
    selected = place;
    if (place >= 0) {
      const [top, bottom] = [place * ROW_HEIGHT, (place + 1) * ROW_HEIGHT];
      if (top < list.scrollTop) list.scrollTop = top;
      if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
    }
    draw();
    $("rows-detail").replaceChildren(...(place < 0 ? [make("p", "soft", "No row is like that.")] : detail(shown[place])));
    $("rows-detail").scrollTop = 0;
  }

  // One row ---------------------------------------------------------------------------------------------------
  const callsText = (calls) => (calls.length ? calls.map((call) => JSON.stringify(call)).join("\n") : "no call");

  function detail(index) {
    const row = data.rows[index], tools = data.tools[row.tools];
    const offered = make("details");
    const names = tools.map((tool) => tool.name).join(", ");
    offered.append(make("summary", "", `Tools offered (${tools.length}): ${names}`));
    offered.append(make("pre", "", JSON.stringify(tools, null, 2)));
    return [
      make("h3", "", `Row ${row.id}`), make("pre", "question", row.context), offered,
      make("h4", "", "Expected"), make("pre", "", callsText(row.expected)),
      ...row.answers.map((answer, variant) => answerCard(data.variants[variant], answer)),
    ];
  }

  function answerCard(name, answer) {
    const card = make("article");
    card.append(make("h4", "", name));
    for (const [verdict, value] of Object.entries(answer.verdicts)) {
      if (value !== null) card.append(make("span", `chip ${value ? "good" : "bad"}`, `${value ? "✓" : "✗"} ${verdict}`));
    }
    if (answer.ended && answer.ended !== "stop") card.append(make("span", "chip", `ended: ${answer.ended}`));
    for (const [category, where] of answer.failures) {
      const line = make("p", "failure");
      line.append(make("b", "", `${category}: `), where);
      card.append(line);
    }
    card.append(make("small", "", "answer as written"), make("pre", "raw", answer.text || "(nothing)"));
    card.append(make("small", "", "calls as parsed"), make("pre", "", callsText(answer.calls)));
    return card;
  }

  $("rows-head").append(make("span", "id", "row"), make("span", "asked", "question"));
  $("rows-head").append(...data.variants.map((name) => make("span", "verdict", name)));
  fillFilters();
  countKinds();
  for (const id of ["rows-kind", "rows-change", "rows-expected"]) $(id).addEventListener("change", filter);
  $("rows-variant").addEventListener("change", () => { countKinds(); filter(); });
  $("rows-text").addEventListener("input", filter);
  list.addEventListener("scroll", () => requestAnimationFrame(draw));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    if (!step || !shown.length) return;
    event.preventDefault();
    select(Math.min(shown.length - 1, Math.max(0, selected + step)));
  });
  filter();
})();
