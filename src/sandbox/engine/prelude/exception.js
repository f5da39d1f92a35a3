(() => {
  const codes = {
    InvalidCharacterError: 5, NotSupportedError: 9, InvalidAccessError: 15, SyntaxError: 12,
    AbortError: 20, QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25,
  };
  class DOMException extends Error {
    constructor(message = "", name = "Error") {
      super(message);
      const label = typeof name === "object" && name !== null ? (name.name ?? "Error") : name;
      Object.defineProperty(this, "name", { value: String(label), configurable: true });
    }
    get code() {
      return codes[this.name] ?? 0;
    }
  }
  return { DOMException };
})
