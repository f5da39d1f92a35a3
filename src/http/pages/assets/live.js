// A page that stays open stays true: when the hub says that something has changed, the page is asked for
// again, and what carries `data-live` is replaced where the server says something else than before. It is asked for
// again after a while by itself, too, since much changes by time alone; and where it cannot be had, the page says so.
// While nobody looks, nothing is asked and no connection is held: browsers allow few to one host.

const QUIET = 300; // ms: several changes at once are one
const SHARE = 20; // of the time goes to asking, where only results came: a slow page is asked for less often
const AGAIN = 30_000; // ms until a refused connection is tried again
const STALE = 30_000; // ms after which a page is asked for again though nothing was said to have changed
const SOON = 5_000; // ms until what could not be had is asked for again
const PATIENCE = 20_000; // ms: who does not answer by then does not answer

// What the server said last, by id: what stands in the page has other times.
const served = new Map();
const written = new WeakSet(); // forms in which somebody wrote

for (const element of document.querySelectorAll("[data-live][id]")) {
  served.set(element.id, element.outerHTML);
}
document.addEventListener("input", (event) => event.target.form && written.add(event.target.form));

// What a form did is said once, and not again when the page is reloaded.
const here = new URL(location.href);
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(null, "", here);
}

let events;
let waiting; // the timer, and for when it is set
let dueAt = Infinity;
let asking = false;
let lastTook = 0;
let stream = { state: "", words: "" }; // how it stands with the connection
let wrong = ""; // why the page could not be had the last time

function changed(wait) {
  const at = Date.now() + wait;
  if (at >= dueAt) return;
  clearTimeout(waiting);
  dueAt = at;
  waiting = setTimeout(refresh, wait);
}

async function refresh() {
  dueAt = Infinity;
  if (document.hidden) return; // it is asked for when somebody looks
  if (asking || isCovered()) return changed(QUIET);
  asking = true;
  const began = performance.now();
  try {
    const asked = { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
    const answer = await fetch(location.href, asked);
    // Whoever looks has to sign in again; or what is shown is there no more, and a page says so.
    if (answer.redirected || answer.status === 404) return location.reload();
    const text = answer.ok ? await answer.text() : "";
    if (isCovered()) return changed(QUIET);
    if (answer.ok) replace(new DOMParser().parseFromString(text, "text/html"));
    wrong = answer.ok ? "" : `the hub answers with ${answer.status}`;
  } catch {
    wrong = "the hub does not answer";
  } finally {
    asking = false;
    lastTook = performance.now() - began;
  }
  tell();
  changed(wrong ? SOON : STALE);
}

function replace(newer) {
  document.dispatchEvent(new Event("tripline:replacing"));
  for (const element of newer.querySelectorAll("[data-live][id]")) {
    const { id, outerHTML } = element;
    const present = document.getElementById(id);
    if (!present || served.get(id) === outerHTML || isInUse(present)) continue;
    served.set(id, outerHTML);
    const focused = present.contains(document.activeElement) && address(document.activeElement);
    const open = [...present.querySelectorAll("details[open][id]")].map((it) => it.id);
    const isOpen = present.querySelector(":scope > details[open]:not([id])");
    present.replaceWith(document.adoptNode(element));
    for (const name of open) document.getElementById(name)?.setAttribute("open", "");
    if (isOpen) element.querySelector(":scope > details")?.setAttribute("open", "");
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  }
  document.title = newer.title;
  document.dispatchEvent(new Event("tripline:replaced"));
}

/** Whether a dialog lies over the page: what had the focus has it again when that closes, and must still be there. */
function isCovered() {
  return document.querySelector("dialog[open]") !== null;
}

/** Whether somebody is writing or choosing in it: that is not taken from under their hands. */
function isInUse(element) {
  const active = document.activeElement;
  if (element.contains(active) && active.matches("input, textarea, select")) return true;
  return [...element.querySelectorAll("form")].some((form) => written.has(form));
}

/** How to find the same element in the newer page. */
function address(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const within = element.closest("[id]");
  const scope = within ? `#${CSS.escape(within.id)} ` : "";
  const href = element.getAttribute("href");
  if (href) return `${scope}a[href="${CSS.escape(href)}"]`;
  if (element.matches("summary")) return `${scope}> summary`;
  const action = element.form?.getAttribute("action");
  return action && `form[action="${CSS.escape(action)}"] button`;
}

/** Says on the page itself whether it is kept up to date. */
function tell() {
  const { state, words } = wrong ? { state: "off", words: `not up to date: ${wrong}` } : stream;
  const place = document.getElementById("liveness");
  if (!place || place.textContent === words) return;
  place.textContent = words;
  place.dataset.state = state;
}

function say(state, words) {
  stream = { state, words };
  tell();
}

function listen() {
  if (events || document.hidden) return;
  events = new EventSource("/events");
  // Between the making of the page and now something may have changed.
  events.addEventListener("open", () => {
    say("on", "live");
    changed(QUIET);
  });
  events.addEventListener("changed", () => changed(QUIET));
  events.addEventListener("results", () => changed(Math.max(QUIET, lastTook * SHARE)));
  events.addEventListener("error", () => {
    if (events?.readyState !== EventSource.CLOSED) return say("waiting", "connecting…");
    say("off", `new every ${STALE / 1000} s`);
    leave();
    setTimeout(listen, AGAIN);
  });
}

function leave() {
  events?.close();
  events = undefined;
}

// A page on which nothing can change, such as one about a mistake, is not asked for again.
if (served.size > 0) {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return leave();
    changed(QUIET);
    listen();
  });
  // A page that is kept for the way back must not hold a connection.
  addEventListener("pagehide", leave);
  addEventListener("pageshow", listen);
  listen();
  changed(STALE);
}
