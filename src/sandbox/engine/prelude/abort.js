(({ onAbort }) => {
  class Event {
    constructor(type, init = {}) {
      this.type = String(type);
      this.cancelable = Boolean(init.cancelable);
      this.bubbles = Boolean(init.bubbles);
      this.defaultPrevented = false;
      this.target = null;
    }
    preventDefault() {
      if (this.cancelable) this.defaultPrevented = true;
    }
    stopPropagation() {}
    stopImmediatePropagation() {
      this.stopped = true;
    }
  }

  class EventTarget {
    #listeners = [];
    addEventListener(type, listener, options) {
      if (listener == null) return;
      if (this.#listeners.some((l) => l.type === type && l.listener === listener)) return;
      this.#listeners.push({ type, listener, once: Boolean(options?.once) });
    }
    removeEventListener(type, listener) {
      this.#listeners = this.#listeners.filter((l) => l.type !== type || l.listener !== listener);
    }
    dispatchEvent(event) {
      event.target = this;
      for (const entry of this.#listeners.filter((l) => l.type === event.type)) {
        if (entry.once) this.removeEventListener(entry.type, entry.listener);
        const { listener } = entry;
        if (typeof listener === "function") listener.call(this, event);
        else listener.handleEvent(event);
        if (event.stopped) break;
      }
      return !event.defaultPrevented;
    }
  }

  const key = {};
  let fire;
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    #algorithms = [];
    onabort = null;
    constructor(given) {
      if (given !== key) throw new TypeError("an AbortSignal comes from an AbortController");
      super();
    }
    static {
      fire = (signal, reason) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason ?? new DOMException("the operation was aborted", "AbortError");
        const algorithms = signal.#algorithms;
        signal.#algorithms = [];
        for (const algorithm of algorithms) algorithm();
        const event = new Event("abort");
        event.target = signal;
        if (typeof signal.onabort === "function") signal.onabort(event);
        signal.dispatchEvent(event);
      };
    }
    get aborted() {
      return this.#aborted;
    }
    get reason() {
      return this.#reason;
    }
    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
    [onAbort](algorithm) {
      if (this.#aborted) algorithm();
      else this.#algorithms.push(algorithm);
    }
    static abort(reason) {
      const signal = new AbortSignal(key);
      fire(signal, reason);
      return signal;
    }
    static timeout(millis) {
      const signal = new AbortSignal(key);
      setTimeout(() => {
        fire(signal, new DOMException(`nothing came within ${millis} ms`, "TimeoutError"));
      }, millis);
      return signal;
    }
    static any(signals) {
      const signal = new AbortSignal(key);
      for (const source of signals) source[onAbort](() => fire(signal, source.reason));
      return signal;
    }
  }

  class AbortController {
    #signal = new AbortSignal(key);
    get signal() {
      return this.#signal;
    }
    abort(reason) {
      fire(this.#signal, reason);
    }
  }
  return { Event, EventTarget, AbortSignal, AbortController };
})
