"use strict";
// Asks every model that is ready. What a model wrote is data: it becomes text nodes, never markup.
(async function () {
  const POLL_MS = 1000, SHOWN_CHARS = 90;
  const $ = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const callText = (call) => JSON.stringify({ name: call.name, arguments: call.arguments });
  const columns = new Map();
  let players = [], examples = [], asking = false;

  async function fetched(path, options) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      throw new Error("The playground is not running any more; start it again.");
    }
    const value = await response.json();
    if (!response.ok) throw Object.assign(new Error(value.error), { atFault: response.status === 400 });
    return value;
  }

  // The columns ---------------------------------------------------------------------------------------------------
  const SAID = { waiting: "waits for its turn to start", starting: "is starting", ready: "ready" };

  function drawStates() {
    for (const player of players) {
      let column = columns.get(player.name);
      if (!column) {
        const box = make("section", "column");
        box.id = `column-${player.name}`;
        column = { head: make("h2"), state: make("p", "state"), answer: make("div", "answer") };
        box.append(column.head, column.state, column.answer);
        columns.set(player.name, column);
        $("columns").append(box);
      }
      column.head.textContent = player.label;
      column.state.className = `state ${player.state}`;
      column.state.textContent = player.said || `${player.asset} ${player.digest}, ${SAID[player.state] || player.state}`;
    }
    $("ask").disabled = asking || !players.some((player) => player.state === "ready");
  }

  async function poll() {
    try {
      players = await fetched("/api/state");
      drawStates();
    } catch (error) {
      $("said").textContent = error.message;
      $("ask").disabled = true;
      return;
    }
    if (players.some((player) => ["waiting", "starting"].includes(player.state))) setTimeout(poll, POLL_MS);
  }

  // The question --------------------------------------------------------------------------------------------------
  const toolsText = (example) => JSON.stringify(example.tools, null, 1);
  const chosen = () => examples[Number($("example").value)];
  const isChosen = (example) =>
    example && $("example").value !== "" && $("question").value === example.question && $("tools").value === toolsText(example);

  function fill() {
    const example = chosen();
    if ($("example").value !== "" && example) {
      $("question").value = example.question;
      $("tools").value = toolsText(example);
    }
    edited();
  }

  function edited() {
    const example = chosen(), known = isChosen(example);
    if (!known) $("example").value = "";
    $("expected").hidden = !known;
    if (known) $("expected").lastChild.textContent = example.expected.map(callText).join("\n") || "no call";
  }

  async function ask(event) {
    event.preventDefault();
    $("said").textContent = "";
    const example = chosen();
    const asked = { question: $("question").value, tools: $("tools").value };
    if (isChosen(example)) asked.expected = JSON.stringify(example.expected);
    $("ask").disabled = asking = true;
    for (const column of columns.values()) column.answer.replaceChildren();
    // One after the other: at the same time they would take each other's cores, and tokens a second would say nothing.
    for (const player of players.filter((each) => each.state === "ready")) {
      const place = columns.get(player.name).answer;
      place.replaceChildren(make("small", "", "is writing ..."));
      try {
        const body = JSON.stringify({ ...asked, player: player.name });
        const headers = { "Content-Type": "application/json" };
        place.replaceChildren(...answer(await fetched("/api/ask", { method: "POST", body, headers })));
      } catch (error) {
        place.replaceChildren();
        if (error.atFault) {
          $("said").textContent = error.message;
          break;
        }
        place.append(make("p", "wrong", error.message));
      }
    }
    $("ask").disabled = asking = false;
  }

  async function listTools() {
    $("said").textContent = "";
    $("list").disabled = true;
    try {
      const body = JSON.stringify({ url: $("mcp").value.trim() });
      const headers = { "Content-Type": "application/json" };
      $("tools").value = JSON.stringify(await fetched("/api/mcp", { method: "POST", body, headers }), null, 1);
      edited();
    } catch (error) {
      $("said").textContent = error.message;
    }
    $("list").disabled = false;
  }

  // One answer ------------------------------------------------------------------------------------------------------
  function answer(found) {
    const parts = [];
    for (const [name, value] of Object.entries(found.verdicts)) {
      if (value !== null) parts.push(make("span", `chip ${value ? "good" : "bad"}`, `${value ? "✓" : "✗"} ${name}`));
    }
    if (found.ended !== "stop") parts.push(make("span", "chip bad", `ended: ${found.ended}`));
    parts.push(make("p", "speed", speed(found)));
    parts.push(make("h3", "", "answer as written"), make("pre", "raw", found.text || "(nothing)"));
    parts.push(make("h3", "", "calls as parsed, and what they returned"));
    if (found.malformed) parts.push(make("p", "wrong", `blocks that are no call: ${found.malformed}`));
    if (!found.calls.length) parts.push(make("pre", "", "no call"));
    return [...parts, ...found.calls.map(ran)];
  }

  function speed(found) {
    const rate = found.tokens_per_second === null ? "" : `${found.tokens_per_second.toFixed(0)} tokens/s, `;
    const tokens = found.output_tokens === null ? "" : `${found.output_tokens} tokens in `;
    return `${rate}${tokens}${found.seconds.toFixed(2)} s`;
  }

  function ran(call) {
    const box = make("div", `call ${call.schema ? "good" : "bad"}`);
    box.append(make("pre", "", callText(call)));
    box.append(make("span", `chip ${call.schema ? "good" : "bad"}`, call.schema ? "✓ schema" : "✗ schema"));
    const place = { world: "ran in the demo's world", stub: "checked by its stub", nowhere: "no such tool" }[call.ran_in];
    box.append(make("small", "", place), make("pre", "result", JSON.stringify(call.result)));
    return box;
  }

  $("form").addEventListener("submit", ask);
  $("example").addEventListener("change", fill);
  $("list").addEventListener("click", listTools);
  $("mcp").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    listTools();
  });
  $("question").addEventListener("input", edited);
  $("tools").addEventListener("input", edited);
  $("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
  });
  await poll();
  examples = await fetched("/api/examples");
  examples.forEach((example, index) => {
    const text = `${example.id}: ${example.question}`;
    const option = make("option", "", text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
    option.value = index;
    $("example").append(option);
  });
  if (examples.length) {
    $("example").value = "0";
    fill();
  }
})();
