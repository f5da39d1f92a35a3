(({ onAbort, setIdleTimeout }) => {
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

  let handle;
  class EventTarget {
    #listeners = [];
    static {
      // An event handler such as `onabort` has the place in the order at which it was first set.
      handle = (target, type, listener) => {
        const entry = target.#listeners.find((l) => l.type === type && l.isHandler);
        if (entry) entry.listener = listener;
        else target.#listeners.push({ type, listener, isHandler: true });
      };
    }
    addEventListener(type, listener, options) {
      if (listener == null) return;
      const isSame = (l) => l.type === type && l.listener === listener && !l.isHandler;
      if (this.#listeners.some(isSame)) return;
      this.#listeners.push({ type, listener, once: Boolean(options?.once) });
    }
    removeEventListener(type, listener) {
      this.#listeners = this.#listeners.filter(
        (l) => l.isHandler || l.type !== type || l.listener !== listener,
      );
    }
    dispatchEvent(event) {
      event.target = this;
      for (const entry of this.#listeners.filter((l) => l.type === event.type)) {
        if (entry.once) this.removeEventListener(entry.type, entry.listener);
        const { listener } = entry;
        if (typeof listener === "function") listener.call(this, event);
        else if (listener !== null) listener.handleEvent(event);
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
    #onabort = null;
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
        signal.dispatchEvent(new Event("abort"));
      };
    }
    get onabort() {
      return this.#onabort;
    }
    set onabort(listener) {
      this.#onabort = typeof listener === "function" ? listener : null;
      handle(this, "abort", this.#onabort);
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
      setIdleTimeout(() => {
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
