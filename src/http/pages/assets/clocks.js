// How moments are written, the same everywhere on a page: in the viewer's zone, by a clock of 24 hours, and with the
// date where it is not today.

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const dated = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** All of a moment, for whoever points at it. */
export const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

/** A moment, in milliseconds or as a date, as it is read at another one. */
export function moment(at, now = Date.now()) {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return (isToday ? clock : dated).format(at);
}

// The server draws the axes of charts in this zone.
const { timeZone } = clock.resolvedOptions();
if (/^[\w+/-]+$/.test(timeZone ?? "")) {
  document.cookie = `tripline-zone=${timeZone}; path=/; max-age=31536000; samesite=lax`;
}
