// What can be pointed at in a chart says what it is: with a mouse, a finger, or the arrow keys.
// A chart is one stop of the Tab key; left and right walk through it, Escape leaves it. Where a newer chart takes its
// place while the page stays open, the focus and what is pointed at stay.

import { moment } from "./clocks.js";

const tip = document.createElement("div");
tip.className = "chart-tip";
tip.setAttribute("role", "status");
tip.hidden = true;
document.body.append(tip);

let here = null;

function read(text) {
  const time = Date.parse(text);
  return Number.isNaN(time) ? text : moment(time);
}

function words({ say, at, from, until }) {
  if (from && until) return `${read(from)} to ${read(until)}\n${say}`;
  return at ? `${read(at)}\n${say}` : say;
}

function show(point) {
  if (point === here) return;
  hide();
  here = point;
  point.classList.add("chart-here");
  tip.textContent = words(point.dataset);
  tip.hidden = false;
  const [place, box] = [point.getBoundingClientRect(), tip.getBoundingClientRect()];
  const room = document.documentElement;
  const left = place.left + place.width / 2 - box.width / 2;
  const above = place.top - box.height - 8;
  tip.style.left = `${Math.max(4, Math.min(left, room.clientWidth - box.width - 4))}px`;
  tip.style.top = `${above > 4 ? above : Math.min(place.bottom + 8, room.clientHeight - box.height - 4)}px`;
}

function hide() {
  here?.classList.remove("chart-here");
  here = null;
  tip.hidden = true;
}

// In the order of reading, as the arrow keys walk: rows from above, each from the left.
function points(chart) {
  const all = [...chart.querySelectorAll("[data-say]")];
  const place = new Map(all.map((point) => [point, point.getBoundingClientRect()]));
  const row = (point) => Math.round((place.get(point).top + place.get(point).height / 2) / 8);
  return all.sort((one, other) => row(one) - row(other) || place.get(one).left - place.get(other).left);
}

function walk(event) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const chart = event.target.closest?.(".chart");
  if (event.key === "Escape") return hide();
  if (!chart || !(event.key in steps || event.key === "Home" || event.key === "End")) return;
  const all = points(chart);
  if (all.length === 0) return;
  event.preventDefault();
  const at = all.indexOf(here);
  if (event.key === "Home") return show(all[0]);
  if (event.key === "End") return show(all.at(-1));
  const next = at < 0 ? (steps[event.key] > 0 ? 0 : all.length - 1) : at + steps[event.key];
  show(all[Math.max(0, Math.min(next, all.length - 1))]);
}

// The title would be a second tip, of the browser's making.
function prepare(chart) {
  const title = chart.querySelector(":scope > title");
  if (!title) return;
  chart.dataset.title = title.textContent;
  chart.setAttribute("aria-label", [title.textContent, chart.querySelector(":scope > desc")?.textContent].filter(Boolean).join(". "));
  title.remove();
  if (chart.querySelector("[data-say]")) chart.setAttribute("tabindex", "0");
}

export function enliven(part = document) {
  for (const chart of part.querySelectorAll("svg.chart")) prepare(chart);
}

document.addEventListener("pointerover", (event) => {
  const point = event.target.closest?.(".chart [data-say]");
  if (point) show(point);
  else hide();
});
document.addEventListener("pointerdown", (event) => {
  const point = event.target.closest?.(".chart [data-say]");
  if (point) show(point);
});
document.addEventListener("keydown", walk);
document.addEventListener("focusout", hide);
document.addEventListener("scroll", hide, { passive: true, capture: true });
// What is read while the page is kept up to date: the chart, by its title and its place among those with the same, and
// the time of the point.
let reading = null;

const alike = (title) => [...document.querySelectorAll("svg.chart")].filter((it) => it.dataset.title === title);

document.addEventListener("tripline:replacing", () => {
  const focused = document.activeElement?.closest("svg.chart");
  const chart = focused ?? here?.closest("svg.chart");
  if (!chart) return void (reading = null);
  const title = chart.dataset.title;
  const { at, from } = here?.dataset ?? {};
  reading = { chart, title, place: alike(title).indexOf(chart), isFocused: Boolean(focused), at: at ?? from };
});
document.addEventListener("tripline:replaced", () => {
  enliven();
  if (!reading || reading.chart.isConnected) return;
  const chart = alike(reading.title)[reading.place];
  if (reading.isFocused) chart?.focus({ preventScroll: true });
  const points = [...(chart?.querySelectorAll("[data-say]") ?? [])];
  const point = reading.at && points.find((it) => (it.dataset.at ?? it.dataset.from) === reading.at);
  if (point) show(point);
  else hide();
});
// What comes to stand in the page otherwise is made ready, too.
new MutationObserver(() => {
  if (here && !here.isConnected) hide();
  enliven();
}).observe(document.body, { childList: true, subtree: true });
enliven();
