(({ body, bytes, text, boundary }) => {
  let contents;
  class Blob {
    #bytes;
    #type;
    constructor(parts = [], options = {}) {
      const given = [...parts].map((part) => (part instanceof Blob ? part.#bytes : part));
      this.#bytes = bytes(given);
      this.#type = String(options?.type ?? "").toLowerCase();
    }
    static {
      contents = (blob) => blob.#bytes;
    }
    get size() {
      return this.#bytes.length;
    }
    get type() {
      return this.#type;
    }
    async text() {
      return text(this.#bytes);
    }
    async arrayBuffer() {
      return this.#bytes.slice().buffer;
    }
    async bytes() {
      return this.#bytes.slice();
    }
    slice(start = 0, end = this.size, type = "") {
      return new Blob([this.#bytes.slice(start, end)], { type });
    }
    [body]() {
      return { type: this.#type, bytes: this.#bytes };
    }
    get [Symbol.toStringTag]() {
      return "Blob";
    }
  }

  class File extends Blob {
    #name;
    #lastModified;
    constructor(parts, name, options = {}) {
      super(parts, options);
      this.#name = String(name);
      this.#lastModified = options?.lastModified ?? Date.now();
    }
    get name() {
      return this.#name;
    }
    get lastModified() {
      return this.#lastModified;
    }
    get [Symbol.toStringTag]() {
      return "File";
    }
  }

  const entry = (value, name) => {
    if (!(value instanceof Blob)) return String(value);
    if (value instanceof File && name === undefined) return value;
    return new File([value], name ?? "blob", { type: value.type });
  };
  const escaped = (name) =>
    name.replace(/\r\n|\r|\n/g, "%0D%0A").replace(/"/g, "%22");
  const lines = (value) => value.replace(/\r\n|\r|\n/g, "\r\n");

  class FormData {
    #entries = [];
    append(name, value, fileName) {
      this.#entries.push([String(name), entry(value, fileName)]);
    }
    set(name, value, fileName) {
      const at = this.#entries.findIndex(([other]) => other === String(name));
      const pair = [String(name), entry(value, fileName)];
      if (at < 0) return void this.#entries.push(pair);
      this.#entries = this.#entries.filter(([other], i) => i <= at || other !== pair[0]);
      this.#entries[at] = pair;
    }
    delete(name) {
      this.#entries = this.#entries.filter(([other]) => other !== String(name));
    }
    get(name) {
      return this.#entries.find(([other]) => other === String(name))?.[1] ?? null;
    }
    getAll(name) {
      return this.#entries.filter(([other]) => other === String(name)).map(([, value]) => value);
    }
    has(name) {
      return this.#entries.some(([other]) => other === String(name));
    }
    forEach(callback, self) {
      for (const [name, value] of this.#entries) callback.call(self, value, name, this);
    }
    *keys() {
      for (const [name] of this.#entries) yield name;
    }
    *values() {
      for (const [, value] of this.#entries) yield value;
    }
    *entries() {
      for (const [name, value] of this.#entries) yield [name, value];
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    [body]() {
      const between = boundary();
      const parts = [];
      for (const [name, value] of this.#entries) {
        const head = `--${between}\r\ncontent-disposition: form-data; name="${escaped(name)}"`;
        if (typeof value === "string") {
          parts.push(`${head}\r\n\r\n${lines(value)}\r\n`);
          continue;
        }
        const type = value.type || "application/octet-stream";
        parts.push(`${head}; filename="${escaped(value.name)}"\r\ncontent-type: ${type}\r\n\r\n`);
        parts.push(contents(value), "\r\n");
      }
      parts.push(`--${between}--\r\n`);
      return { type: `multipart/form-data; boundary=${between}`, bytes: bytes(parts) };
    }
    get [Symbol.toStringTag]() {
      return "FormData";
    }
  }
  return { Blob, File, FormData };
})
