import { type Clock, systemClock } from "../base/clock.ts";
import { Scope } from "../base/scope.ts";
import { urlOf } from "../base/url.ts";

/** A public key: a JSON Web Key with a `kid`. */
export interface PublicKey {
  /** The key's id. A token names it in its header. */
  kid?: string;
  /** The other members: those of RFC 7517 and of the key's `kty`. */
  // biome-ignore lint/suspicious/noExplicitAny: the type of a member depends on the kind of key.
  [member: string]: any;
}

/** Options for the source of public keys. */
export interface KeysOptions {
  /** A list of keys, or the URL of a JSON Web Key Set. */
  jwks: readonly PublicKey[] | string | URL;
  /** Ends a fetch in progress when it aborts. Give it the notifier's signal. */
  signal?: AbortSignal | undefined;
  /** The clock. Default: the system clock. */
  clock?: Clock | undefined;
}

/** How long fetched keys are used before they are fetched again, in milliseconds. */
const maxAge = 600_000;
/** The minimum time between two fetches, in milliseconds. Tokens with made-up key ids cannot cause more of them. */
const interval = 30_000;
/** The maximum duration of a fetch, in milliseconds. */
const timeout = 5_000;

/** Public keys. They are fetched on demand. Concurrent calls share one fetch, and the rate of fetches is limited. */
export class Keys {
  readonly #options: KeysOptions;
  readonly #clock: Clock;
  readonly #scope: Scope;
  /** The URL of the key set. Undefined if the keys were given as a list. */
  readonly #url: URL | undefined;
  #keys: readonly PublicKey[] = [];
  #fetching: Promise<void> | undefined;
  #triedAt = -Infinity;
  #fetchedAt = -Infinity;

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    // The scope need not report errors: each error is thrown to the callers that wait for the fetch.
    this.#scope = new Scope(this.#clock, () => {});
    const { jwks } = options;
    if (Array.isArray(jwks)) this.#keys = jwks;
    else this.#url = urlOf(String(jwks));
    if (!Array.isArray(jwks) && this.#url === undefined)
      throw new TypeError(
        `Cannot check tokens by jwks ${JSON.stringify(String(jwks))}: give a list of keys, or a URL`,
      );
  }

  /** Returns the keys. They are fetched again if they are too old, or if none has the given id. */
  async with(id: string | undefined): Promise<PublicKey[]> {
    if (this.#url !== undefined) await this.#refresh(this.#url, id);
    return [...this.#keys];
  }

  async #refresh(url: URL, id: string | undefined): Promise<void> {
    const isKnown = this.#keys.some(({ kid }) => kid === id);
    const now = this.#clock.now();
    const isNeeded = !isKnown || now - this.#fetchedAt >= maxAge;
    if (isNeeded && (this.#fetching !== undefined || now - this.#triedAt >= interval))
      await this.#fetch(url, isKnown);
    if (this.#fetchedAt === -Infinity)
      throw new Error("Cannot check a token: no keys have been fetched from jwks yet");
  }

  async #fetch(url: URL, isKnown: boolean): Promise<void> {
    this.#triedAt = this.#clock.now();
    this.#fetching ??= this.#load(url).finally(() => {
      this.#fetching = undefined;
    });
    try {
      await this.#fetching;
    } catch (error) {
      // If the fetch fails, a known key is used even if it is too old.
      if (!isKnown) throw error;
    }
  }

  async #load(url: URL): Promise<void> {
    const ending = new AbortController();
    const unlink = this.#scope.link(this.#options.signal, (reason) => ending.abort(reason));
    const onTimeout = (): void => ending.abort(new Error(`Cannot fetch keys: it took over ${timeout} ms`));
    const disarm = this.#scope.timer("keys", timeout, onTimeout);
    try {
      const response = await fetch(url, { signal: ending.signal });
      const set = response.ok ? ((await response.json()) as { keys?: unknown } | null) : undefined;
      if (!Array.isArray(set?.keys))
        throw new Error(`Cannot fetch keys: the response, with status ${response.status}, is not a key set`);
      this.#keys = set.keys;
      this.#fetchedAt = this.#clock.now();
    } finally {
      unlink();
      disarm();
    }
  }
}
