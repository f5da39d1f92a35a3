/**
 * The script API of Tripline, for editors.
 *
 * A check is an ES module with `options` and a default function. It runs in a sealed process: no
 * files, no sockets, no `process`, no `require`. What it needs from outside it asks for with the
 * functions below. A check that is only one request has a `url` in its options and no function.
 *
 * Editors find this file by `jsconfig.json`. It belongs to Tripline: `tripline init` renews it after
 * an upgrade, so change nothing here.
 */
declare module "tripline" {
  /**
   * What a check says about itself. Exported as `options`: `{ name: "Sign in", every: "30s" }`.
   *
   * Durations are whole numbers with units, longer units first: `"30s"`, `"1m30s"`, `"500ms"`.
   * `tripline validate` says what is wrong.
   */
  export interface Options {
    /** What people read in messages: one line. The id of the check when left out. */
    name?: string;
    /**
     * How often it runs: `"30s"`, `"5m"`; `"1s"` to `"7d"`. Either this or `cron`; when both are
     * left out, `every` of `[defaults]` in `tripline.toml`, which is a minute if nobody changed it.
     */
    every?: string;
    /**
     * When it runs, in the five fields of crontab(5) (minute, hour, day of month, month, day of
     * week): `"0 6 * * MON-FRI"`; or `"@hourly"`, `"@daily"`, `"@weekly"`, `"@monthly"`,
     * `"@yearly"`.
     */
    cron?: string;
    /** The time zone of `cron`, by its IANA name: `"Europe/Berlin"`. `"UTC"` when left out. */
    timezone?: string;
    /**
     * The regions it runs in, by the names that `tripline.toml` declares. Those of `[defaults]` when
     * left out, or else the one region of the agent.
     */
    regions?: string[];
    /**
     * How long a run may take: `"20s"`; `"100ms"` to `"15m"`, and not longer than the time between
     * two runs. That of `[defaults]` when left out, which is 30 seconds if nobody changed it, and
     * always a tenth of the time between two runs, or a second, shorter than that time.
     */
    timeout?: string;
    /** Who is told, and at which stage: the name of a policy in `tripline.toml`. */
    policy?: string;
    /** The address where whoever is woken up reads what to do. */
    runbook?: string;
    /** Labels for filters and metrics: `{ team: "shop" }`. Names have letters, digits and `_`. */
    labels?: Record<string, string>;
    /** `false` keeps no heads and bodies of requests of runs that did not pass. */
    keep_bodies?: boolean;
    /** `false` switches the check off. */
    enabled?: boolean;

    /**
     * For a check that is one request and has no default function: the address, with `http://` or
     * `https://`. It, the values of `headers`, and `body` may mention secrets as
     * `"${secret.API_KEY}"`, in ordinary quotes and not in backticks.
     */
    url?: string;
    /** With `url`: `"GET"` when left out, or `"POST"` when there is a `body`. */
    method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
    /** With `url`: headers to send, `{ accept: "text/html" }`. */
    headers?: Record<string, string>;
    /** With `url`: what to send; a text as it is, an object or a list as JSON. */
    body?: string | Json[] | { [key: string]: Json };
    /** With `url`: what must be true of the answer. A status below 400 when left out. */
    expect?: Expected;
  }

  /** What must be true of the answer to the request of a check, all of it. */
  export interface Expected {
    /** The status: `200`, `"2xx"`, `"200-299"`, or a list of which one fits. */
    status?: Status | Status[];
    /** What the text of the answer must have. */
    body?: ExpectedText;
    /**
     * What stands at places of a JSON answer: `{ "user.name": "ana", "items.0.id": 7 }`. An object
     * stands for the places in it; a list is compared as a whole.
     */
    json?: { [place: string]: Json };
    /** What headers must have, by name: `{ "content-type": "text/html" }`. */
    header?: Record<string, ExpectedText>;
    /** How long the whole request may take: `"2s"`; not longer than `timeout`. */
    max_time?: string;
  }

  /** A status or a range of them. */
  export type Status = number | `${number}` | `${number}xx` | `${number}-${number}`;

  /** A text that must occur, or more about it, or a list of which all must hold. */
  export type ExpectedText = string | TextRule | (string | TextRule)[];

  export interface TextRule {
    /** Must occur. */
    contains?: string | string[];
    /** Must not occur. */
    lacks?: string | string[];
    /** A regular expression that must match, in the syntax of Rust: `"order-[0-9]+"`. */
    matches?: string | string[];
  }

  /** What JSON can say. */
  export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

  /**
   * Runs a named and timed part of the script and gives back what `fn` gives. Steps may nest and
   * run side by side. An error in a step is reported with the step's name. Await it when `fn` is
   * asynchronous: a script that ends while a step is open fails.
   */
  export function step<T>(name: string, fn: () => T): T;

  /**
   * Opens a page as a visitor without a browser: follows redirects, keeps cookies for the run,
   * reads HTML. No script of the page runs.
   */
  export function visit(url: string | URL | Request, init?: RequestInit): Promise<Page>;

  /** A page that was received. */
  export interface Page {
    /** The status: 200. */
    readonly status: number;
    /** Whether the status is 200 to 299. */
    readonly ok: boolean;
    /** The address, after redirects. */
    readonly url: string;
    readonly headers: Headers;
    /** The text as it was sent, decoded. */
    readonly body: string;
    /** The same as `body`. */
    readonly html: string;
    /** The text of `<title>`. */
    readonly title: string;
    /**
     * The text that a visitor sees in the first element that matches, white space collapsed; of the
     * whole page without a selector. What is `hidden`, or `display: none` in its own `style`, is left
     * out of what is around it. No match is an error: ask `has` first if that may be.
     */
    text(css?: string): string;
    /** The texts of all elements that match. */
    texts(css: string): string[];
    /** An attribute of the first element that matches, null when it has none. No match is an error. */
    attr(css: string, name: string): string | null;
    /** Whether an element matches. */
    has(css: string): boolean;
    /** All links, their addresses absolute. */
    links(): { text: string; href: string }[];
    /**
     * A form: one that matches, or around an element that matches, or the only one of the page. A
     * missing form is an error that names those that are there.
     */
    form(css?: string): Form;
    /**
     * Follows a link or presses a button that submits, named by a CSS selector or by its text (the
     * whole of it, or a part that only one has).
     */
    click(target: string): Promise<Page>;
  }

  /** The value of a field: a text, several, on or off. */
  export type FieldValue = string | number | boolean | null | (string | number)[];

  /** A form, filled in as on the page: hidden fields, checked boxes, selected options. */
  export interface Form {
    /** What will be sent, by name; may be changed. Boxes that are not checked are null. */
    readonly fields: Record<string, FieldValue>;
    readonly method: string;
    /** Where it is sent. */
    readonly action: string;
    /**
     * Sends the form as a browser does, with `Referer` and `Origin`, and follows redirects. An
     * unknown name or a value that is not offered is an error that names those that are there;
     * so is undefined or an object as a value. Null leaves a field out.
     * `button` names the button that is pressed, by its text, name, value or `#id`; the first one
     * when left out, none when null.
     */
    submit(values?: Record<string, FieldValue>, options?: { button?: string | null }): Promise<Page>;
  }

  /**
   * Says what must hold: `expect(page.status).toBe(200)`. What does not hold throws an error that
   * says what was expected and received. `about` is put before the message.
   */
  export function expect<T>(value: T, about?: string): Expectation<void>;

  export interface Expectation<R> {
    /** The opposite. */
    readonly not: Expectation<R>;
    /** Awaits the promise first; await the result. */
    readonly resolves: Expectation<Promise<void>>;
    /** Awaits that the promise, or that of the function, rejects, and looks at the reason; await the result. */
    readonly rejects: Expectation<Promise<void>>;
    /** The very same value (`Object.is`). */
    toBe(expected: unknown): R;
    /** Equal in content; properties that are undefined count as missing. */
    toEqual(expected: unknown): R;
    /** Equal in content, class and undefined properties. */
    toStrictEqual(expected: unknown): R;
    /** Has at least these properties. */
    toMatchObject(expected: object): R;
    /** A string contains a string; a list contains the very same value. */
    toContain(item: unknown): R;
    /** A list contains a value equal in content. */
    toContainEqual(item: unknown): R;
    /** A string matches, or contains. */
    toMatch(pattern: RegExp | string): R;
    toBeTruthy(): R;
    toBeFalsy(): R;
    toBeNull(): R;
    toBeUndefined(): R;
    toBeDefined(): R;
    toBeNaN(): R;
    toBeLessThan(limit: number | bigint): R;
    toBeLessThanOrEqual(limit: number | bigint): R;
    toBeGreaterThan(limit: number | bigint): R;
    toBeGreaterThanOrEqual(limit: number | bigint): R;
    /** Within half a unit of this many digits after the point; 2 when left out. */
    toBeCloseTo(number: number, digits?: number): R;
    toHaveLength(length: number): R;
    /** Has a property at a path such as `"user.roles[0]"`, and, if given, of this value. */
    toHaveProperty(path: string | (string | number)[], value?: unknown): R;
    toBeInstanceOf(constructor: Function): R;
    /** A function throws; its message contains, matches, or is of this class. */
    toThrow(expected?: string | RegExp | Error | Function): R;
  }

  /** The value of a secret, at once. Secrets are masked in everything that is reported. */
  export function secret(name: string): string;

  /** The present one-time password of a stored seed (RFC 6238). */
  export function totp(name: string): string;

  /** A verifier and its challenge for an OAuth sign-in (RFC 7636). */
  export function pkce(): { verifier: string; challenge: string; method: "S256" };

  /** Reports a measurement, kept as a series. */
  export function metric(name: string, value: number, tags?: Record<string, string | number>): void;

  /** Waits, in milliseconds. */
  export function sleep(ms: number): Promise<void>;

  /** What this run is. */
  export const context: {
    /** The id of the check. */
    readonly check: string;
    readonly region: string;
    /** The time for which the run was scheduled: `"2026-03-01T12:00:00.000Z"`. */
    readonly slot: string;
    /** The id of the run. */
    readonly run: string;
  };
}

// Globals, as on the Web; what is not here does not exist.

interface Headers {
  append(name: string, value: string): void;
  delete(name: string): void;
  get(name: string): string | null;
  getSetCookie(): string[];
  has(name: string): boolean;
  set(name: string, value: string): void;
  forEach(callback: (value: string, name: string, headers: Headers) => void): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
type HeadersInit = Headers | Iterable<readonly [string, string]> | Record<string, string>;
declare var Headers: { new (init?: HeadersInit): Headers };

type BodyInit = string | URLSearchParams | FormData | Blob | ArrayBuffer | ArrayBufferView;

interface RequestInit {
  method?: string;
  headers?: HeadersInit;
  body?: BodyInit | null;
  /** `"follow"` when left out. */
  redirect?: "follow" | "manual" | "error";
  /** Whether cookies are sent and kept; `"include"` when left out, since a run is one visitor. */
  credentials?: "include" | "same-origin" | "omit";
  signal?: AbortSignal | null;
}

/** Bodies are read once. */
interface Body {
  readonly bodyUsed: boolean;
  text(): Promise<string>;
  json(): Promise<any>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  blob(): Promise<Blob>;
  /** Of an urlencoded body. */
  formData(): Promise<FormData>;
}

interface Request extends Body {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly redirect: string;
  readonly credentials: string;
  readonly signal: AbortSignal | null;
  clone(): Request;
}
declare var Request: { new (input: string | URL | Request, init?: RequestInit): Request };

interface ResponseInit {
  status?: number;
  statusText?: string;
  headers?: HeadersInit;
}
interface Response extends Body {
  readonly status: number;
  readonly ok: boolean;
  readonly statusText: string;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: string;
  readonly headers: Headers;
  clone(): Response;
}
declare var Response: {
  new (body?: BodyInit | null, init?: ResponseInit): Response;
  json(data: unknown, init?: ResponseInit): Response;
  error(): Response;
  redirect(url: string, status?: number): Response;
};

/** Makes a request. At most 50 are under way at once; more wait for their turn. */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

interface URL {
  href: string;
  readonly origin: string;
  protocol: string;
  username: string;
  password: string;
  host: string;
  hostname: string;
  port: string;
  pathname: string;
  search: string;
  readonly searchParams: URLSearchParams;
  hash: string;
  toString(): string;
  toJSON(): string;
}
declare var URL: {
  new (url: string | URL, base?: string | URL): URL;
  canParse(url: string | URL, base?: string | URL): boolean;
  parse(url: string | URL, base?: string | URL): URL | null;
};

interface URLSearchParams {
  readonly size: number;
  append(name: string, value: string): void;
  delete(name: string, value?: string): void;
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string, value?: string): boolean;
  set(name: string, value: string): void;
  sort(): void;
  toString(): string;
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void): void;
  entries(): IterableIterator<[string, string]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, string]>;
}
declare var URLSearchParams: {
  new (
    init?: string | URLSearchParams | Iterable<readonly [string, string]> | Record<string, any>,
  ): URLSearchParams;
};

interface Blob {
  readonly size: number;
  readonly type: string;
  text(): Promise<string>;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  slice(start?: number, end?: number, type?: string): Blob;
}
declare var Blob: { new (parts?: Iterable<BodyInit>, options?: { type?: string }): Blob };
interface File extends Blob {
  readonly name: string;
  readonly lastModified: number;
}
declare var File: {
  new (
    parts: Iterable<BodyInit>,
    name: string,
    options?: { type?: string; lastModified?: number },
  ): File;
};
interface FormData {
  append(name: string, value: string | Blob, fileName?: string): void;
  delete(name: string): void;
  get(name: string): string | File | null;
  getAll(name: string): (string | File)[];
  has(name: string): boolean;
  set(name: string, value: string | Blob, fileName?: string): void;
  forEach(callback: (value: string | File, name: string, form: FormData) => void): void;
  entries(): IterableIterator<[string, string | File]>;
  keys(): IterableIterator<string>;
  values(): IterableIterator<string | File>;
  [Symbol.iterator](): IterableIterator<[string, string | File]>;
}
declare var FormData: { new (): FormData };

interface Event {
  readonly type: string;
  readonly target: EventTarget | null;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly defaultPrevented: boolean;
  preventDefault(): void;
  stopPropagation(): void;
  stopImmediatePropagation(): void;
}
declare var Event: {
  new (type: string, init?: { bubbles?: boolean; cancelable?: boolean }): Event;
};
type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void };
interface EventTarget {
  addEventListener(type: string, listener: EventListener, options?: { once?: boolean }): void;
  removeEventListener(type: string, listener: EventListener): void;
  dispatchEvent(event: Event): boolean;
}
declare var EventTarget: { new (): EventTarget };
interface AbortSignal extends EventTarget {
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: Event) => void) | null;
  throwIfAborted(): void;
}
declare var AbortSignal: {
  abort(reason?: any): AbortSignal;
  timeout(ms: number): AbortSignal;
  any(signals: Iterable<AbortSignal>): AbortSignal;
};
interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}
declare var AbortController: { new (): AbortController };
interface DOMException extends Error {
  readonly code: number;
}
declare var DOMException: { new (message?: string, name?: string): DOMException };

interface TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
  /** Writes as many whole characters as there is room for; says how many units and bytes. */
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { new (): TextEncoder };
interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(bytes?: ArrayBuffer | ArrayBufferView): string;
}
declare var TextDecoder: {
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};
declare function atob(base64: string): string;
declare function btoa(text: string): string;
declare function structuredClone<T>(value: T): T;

interface CryptoKey {
  readonly type: string;
  readonly extractable: boolean;
  readonly algorithm: { name: string; hash: string };
}
type Bytes = ArrayBuffer | ArrayBufferView;
type Hash = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
declare var crypto: {
  randomUUID(): string;
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  readonly subtle: {
    digest(algorithm: Hash | { name: Hash }, data: Bytes): Promise<ArrayBuffer>;
    importKey(
      format: "raw",
      key: Bytes,
      algorithm: { name: "HMAC"; hash: Hash | { name: Hash } },
      extractable: boolean,
      usages: ("sign" | "verify")[],
    ): Promise<CryptoKey>;
    importKey(
      format: "jwk",
      key: { kty: "oct"; k: string },
      algorithm: { name: "HMAC"; hash: Hash | { name: Hash } },
      extractable: boolean,
      usages: ("sign" | "verify")[],
    ): Promise<CryptoKey>;
    /** `length` in bits; as long as a block of the digest when left out. */
    generateKey(
      algorithm: { name: "HMAC"; hash: Hash | { name: Hash }; length?: number },
      extractable: boolean,
      usages: ("sign" | "verify")[],
    ): Promise<CryptoKey>;
    sign(algorithm: "HMAC" | { name: "HMAC" }, key: CryptoKey, data: Bytes): Promise<ArrayBuffer>;
    verify(
      algorithm: "HMAC" | { name: "HMAC" },
      key: CryptoKey,
      signature: Bytes,
      data: Bytes,
    ): Promise<boolean>;
  };
};

declare function setTimeout(callback: (...args: any[]) => void, ms?: number, ...args: any[]): number;
declare function setInterval(
  callback: (...args: any[]) => void,
  ms?: number,
  ...args: any[]
): number;
declare function clearTimeout(id?: number): void;
declare function clearInterval(id?: number): void;
declare function queueMicrotask(callback: () => void): void;
declare var performance: {
  /** Milliseconds since the start of the run. */
  now(): number;
  readonly timeOrigin: number;
};

/** Lines for the report: 64 KiB in all, 8 KiB a line. */
declare var console: {
  log(...values: any[]): void;
  info(...values: any[]): void;
  warn(...values: any[]): void;
  error(...values: any[]): void;
  debug(...values: any[]): void;
  trace(...values: any[]): void;
  dir(value: any): void;
  assert(condition?: any, ...values: any[]): void;
  table(rows: any): void;
  group(...values: any[]): void;
  groupCollapsed(...values: any[]): void;
  groupEnd(): void;
  count(label?: string): void;
  countReset(label?: string): void;
  time(label?: string): void;
  timeLog(label?: string, ...values: any[]): void;
  timeEnd(label?: string): void;
};
