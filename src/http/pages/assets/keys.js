// The keyboard: `/` searches, `j` and `k` walk through what is listed, Enter opens it, `a` leads to
// acknowledging, `?` shows this. No key does anything while somebody writes.

const HELP = [
  ["/", "search"],
  ["j  k", "the next, the one before"],
  ["Enter", "open it"],
  ["a", "acknowledge"],
  ["?", "this help"],
  ["Esc", "close it"],
];

const listed = "main :is(tbody th, .incidents .what, .past .what, .messages td, .region h2) > a";

function walk(step) {
  const all = [...document.querySelectorAll(listed)];
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step;
  all[Math.min(Math.max(next, 0), all.length - 1)]?.focus();
}

function help() {
  let dialog = document.querySelector("dialog.keys");
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.className = "keys";
    dialog.setAttribute("aria-label", "Keys");
    const list = document.createElement("dl");
    for (const [key, what] of HELP) {
      const name = document.createElement("dt");
      const words = document.createElement("dd");
      name.textContent = key;
      words.textContent = what;
      list.append(name, words);
    }
    dialog.append(list);
    dialog.addEventListener("click", () => dialog.close());
    document.body.append(dialog);
  }
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

const keys = {
  "/": () => document.querySelector("input[type=search]")?.focus(),
  j: () => walk(1),
  k: () => walk(-1),
  a: () => document.querySelector("[data-key=acknowledge]")?.focus(),
  "?": help,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const isWriting = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (isWriting) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
