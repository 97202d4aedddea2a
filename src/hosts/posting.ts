import type { Context } from "hono";

/** The property of a request and of its `env` that says which server it came to, and with which URL. */
const carried: unique symbol = Symbol("served");

interface Served {
  readonly posting: Posting;
  readonly url: string;
}

interface Carrying {
  [carried]?: Served;
}

/**
 * The paths to which the clients of open streams send their messages. While its notifiers close, a server still takes
 * what comes there: the pongs prove that the clients have read everything.
 */
export class Posting {
  readonly #paths = new Map<string, number>();
  /** Called when no stream is open any more. */
  onEmpty: () => void = () => {};
  /** Whether everything is refused that does not come to one of the paths. */
  isStrict = false;

  get isEmpty(): boolean {
    return this.#paths.size === 0;
  }

  /** Attaches this server to a request, as {@linkcode openPosting} needs it. An app may pass on a copy of the request. */
  attach(request: Request, env: object): void {
    const served = { posting: this, url: request.url };
    (env as Carrying)[carried] = served;
    (request as Carrying)[carried] = served;
  }

  /** Returns whether a request is to be refused. */
  refuses(request: Request): boolean {
    return this.isStrict && !(request.method === "POST" && this.#paths.has(pathOf(request.url)));
  }

  /** Counts a stream whose client posts to a path, until the returned function is called. */
  open(path: string): () => void {
    this.#paths.set(path, (this.#paths.get(path) ?? 0) + 1);
    return () => {
      const count = (this.#paths.get(path) ?? 0) - 1;
      if (count > 0) this.#paths.set(path, count);
      else this.#paths.delete(path);
      if (this.isEmpty) this.onEmpty();
    };
  }
}

/**
 * Notes, under `serve` of any runtime, that a stream is open whose client posts to a path beside that of the stream.
 * Returns a function to call at its end.
 */
export function openPosting(c: Context, name: string): () => void {
  const served = (c.env as Carrying | undefined)?.[carried] ?? (c.req.raw as Carrying)[carried];
  return served?.posting.open(pathOf(served.url).replace(/[^/]*$/, name)) ?? (() => {});
}

/** Returns the path of a URL, absolute or not. Leaves out the query, which may contain a secret. */
export function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "") || "/";
}
