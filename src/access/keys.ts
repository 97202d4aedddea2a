import { type Clock, systemClock } from "../base/clock.ts";
import { Scope } from "../base/scope.ts";
import { urlOf } from "../base/url.ts";

/** A public key: a JSON Web Key with its `kid`. */
export interface PublicKey {
  /** Its id, which a token names in its header. */
  kid?: string;
  /** Its other members: those of RFC 7517 and of its `kty`. */
  // biome-ignore lint/suspicious/noExplicitAny: what a member holds depends on the kind of key.
  [member: string]: any;
}

/** Where public keys come from. */
export interface KeysOptions {
  /** The keys, or where to fetch them: a JSON Web Key Set. */
  jwks: readonly PublicKey[] | string | URL;
  /** Ends what is being fetched when it aborts: give it the notifier's. */
  signal?: AbortSignal | undefined;
  /** What time it is. Default: the machine's clock. */
  clock?: Clock | undefined;
}

/** Milliseconds for which fetched keys count. */
const fresh = 600_000;
/** Milliseconds between two fetches, whatever keys peers make up. */
const interval = 30_000;
/** Milliseconds that a fetch may take. */
const patience = 5_000;

/** Public keys, which are fetched when they are needed, together for all who wait, and not at every peer's will. */
export class Keys {
  readonly #options: KeysOptions;
  readonly #clock: Clock;
  readonly #scope: Scope;
  /** Where they are fetched, unless they were given. */
  readonly #url: URL | undefined;
  #keys: readonly PublicKey[] = [];
  #fetching: Promise<void> | undefined;
  #triedAt = -Infinity;
  #fetchedAt = -Infinity;

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    // What goes wrong here is thrown to those who wait for it.
    this.#scope = new Scope(this.#clock, () => {});
    const { jwks } = options;
    if (Array.isArray(jwks)) this.#keys = jwks;
    else this.#url = urlOf(String(jwks));
    if (!Array.isArray(jwks) && this.#url === undefined)
      throw new TypeError(
        `Cannot check tokens by jwks ${JSON.stringify(String(jwks))}: give a list of keys, or a URL`,
      );
  }

  /** The keys, fetched anew where they are old or none has that id. */
  async with(id: string | undefined): Promise<PublicKey[]> {
    if (this.#url !== undefined) await this.#refresh(this.#url, id);
    return [...this.#keys];
  }

  async #refresh(url: URL, id: string | undefined): Promise<void> {
    const isKnown = this.#keys.some(({ kid }) => kid === id);
    const now = this.#clock.now();
    const isWanted = !isKnown || now - this.#fetchedAt >= fresh;
    if (isWanted && (this.#fetching !== undefined || now - this.#triedAt >= interval))
      await this.#fetch(url, isKnown);
    if (this.#fetchedAt === -Infinity) throw new Error("Cannot check a token: there are no keys yet");
  }

  async #fetch(url: URL, isKnown: boolean): Promise<void> {
    this.#triedAt = this.#clock.now();
    this.#fetching ??= this.#load(url).finally(() => {
      this.#fetching = undefined;
    });
    try {
      await this.#fetching;
    } catch (error) {
      // Old keys are better than none.
      if (!isKnown) throw error;
    }
  }

  async #load(url: URL): Promise<void> {
    const ending = new AbortController();
    const unlink = this.#scope.link(this.#options.signal, (reason) => ending.abort(reason));
    const late = (): void => ending.abort(new Error(`Cannot fetch keys: it took over ${patience} ms`));
    const disarm = this.#scope.timer("keys", patience, late);
    try {
      const response = await fetch(url, { signal: ending.signal });
      const set = response.ok ? ((await response.json()) as { keys?: unknown } | null) : undefined;
      if (!Array.isArray(set?.keys))
        throw new Error(`Cannot fetch keys: the answer, ${response.status}, holds none`);
      this.#keys = set.keys;
      this.#fetchedAt = this.#clock.now();
    } finally {
      unlink();
      disarm();
    }
  }
}
