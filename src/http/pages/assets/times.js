// Times in the viewer's zone: the server writes UTC, and the moment itself stands in `datetime`.

import { full, moment } from "./clocks.js";

/** A span in its two largest units, in the words of the server. */
function span(seconds) {
  const two = (large, largeName, small, smallName) =>
    small ? `${large} ${largeName} ${small} ${smallName}` : `${large} ${largeName}`;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86400) return two(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return two(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

/** How far the viewer's clock is ahead of the server's, so that nothing is "in 3 s" by mistake. */
let ahead = 0;

function measure() {
  const made = document.querySelector("#as-of time")?.dateTime;
  if (made) ahead = Date.now() - Date.parse(made);
}

const forms = {
  ago(at, now) {
    const seconds = (now - at) / 1000;
    if (seconds <= -1) return `in ${span(-seconds)}`;
    return seconds < 1 ? "just now" : `${span(seconds)} ago`;
  },
  lasting: (at, now) => span((now - at) / 1000),
  moment,
};

function rewrite() {
  const now = Date.now() - ahead;
  for (const time of document.querySelectorAll("time[data-form]")) {
    const at = Date.parse(time.dateTime);
    const text = forms[time.dataset.form]?.(at, now);
    if (text === undefined || Number.isNaN(at)) continue;
    if (!time.dataset.full) {
      time.dataset.full = "yes";
      time.title = full.format(at);
    }
    if (time.textContent !== text) time.textContent = text;
  }
}

function begin() {
  measure();
  rewrite();
}

begin();
// What was replaced by its newer self is rewritten at once, everything else once a second.
document.addEventListener("tripline:replaced", begin);
setInterval(() => document.hidden || rewrite(), 1000);
document.addEventListener("visibilitychange", () => document.hidden || rewrite());
