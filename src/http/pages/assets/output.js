// What a run does that somebody asked for, line by line while it goes on: `data-output` says where that is told.
// All of it is text; nothing that a script or a server wrote becomes part of the page.

const SIGNS = { begins: "→", good: "✓", bad: "✗", said: "·", warned: "!", aside: "…" };
const WORDS = { begins: "", good: "", bad: "failed: ", said: "", warned: "warning: ", aside: "" };
const LOOKS = { passed: "good", failed: "bad", unknown: "warned" }; // of outcomes

const kept = new Map(); // where it is told: the list of its lines, which outlives the page's renewal

function watch(element) {
  const where = element.dataset.output;
  let lines = kept.get(where);
  if (!lines) {
    lines = document.createElement("ol");
    kept.set(where, lines);
    follow(where, lines);
  }
  element.replaceChildren(lines);
  element.hidden = !lines.childElementCount;
  toEnd(lines);
}

function follow(where, lines) {
  const events = new EventSource(where);
  // Whoever connects again is told all again.
  events.addEventListener("open", () => lines.replaceChildren());
  events.addEventListener("line", (event) => {
    const { region, at_ms, look, text } = JSON.parse(event.data);
    const word = part("unseen", WORDS[look] ?? "");
    add(lines, look, (at_ms / 1000).toFixed(2), region, [word, text]);
  });
  events.addEventListener("verdict", (event) => {
    const { region, outcome, text, run } = JSON.parse(event.data);
    const said = [text];
    if (run?.startsWith("/runs/")) said.push(" ", link(run, "see the run"));
    add(lines, LOOKS[outcome] ?? "warned", "", region, said).classList.add("verdict");
  });
  events.addEventListener("end", () => events.close());
  addEventListener("pagehide", () => events.close());
}

function add(lines, look, time, region, said) {
  const element = lines.parentElement;
  const wasAtEnd = !element || element.scrollHeight - element.scrollTop - element.clientHeight < 40;
  const line = document.createElement("li");
  line.className = look in SIGNS ? look : "said";
  const sign = part("sign", SIGNS[look] ?? "·");
  sign.setAttribute("aria-hidden", "true");
  const text = part("text", "");
  text.append(...said);
  line.append(part("time", time), part("region", region), sign, text);
  lines.append(line);
  if (element) element.hidden = false;
  if (wasAtEnd) toEnd(lines);
  return line;
}

function part(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function link(path, text) {
  const element = document.createElement("a");
  element.href = path;
  element.textContent = text;
  return element;
}

function toEnd(lines) {
  const element = lines.parentElement;
  if (element) element.scrollTop = element.scrollHeight;
}

function watchAll() {
  for (const element of document.querySelectorAll("[data-output]")) watch(element);
}

document.addEventListener("tripline:replaced", watchAll);
watchAll();
