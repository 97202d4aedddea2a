import { inFile, type Mutation } from "../mutation.ts";

export const access: readonly Mutation[] = [
  ...inFile("access/cached", [
    {
      name: "a cached answer for one connection is used for another",
      from: "const remembered = cache.get(peer)?.get(key);",
      to: "const remembered = [...[peer]].map((each) => cache.get(each)?.get(action.channel))[0];",
    },
    {
      name: "a cached answer never expires",
      from: "if (remembered !== undefined && clock.now() < remembered.until)",
      to: "if (remembered !== undefined)",
    },
    {
      name: "an answer from before the cache was cleared is put into the new cache",
      from: "const cacheAtCall = cache;",
      to: "const cacheAtCall = { get: (one: Peer) => cache.get(one), set: (one: Peer, all: Map<string, Remembered>) => cache.set(one, all) };",
    },
    {
      name: "a notifier is not used",
      from: "notifier?.everywhere(topic, forgetHere) ?? (async () => forgetHere());",
      to: "async () => forgetHere();",
    },
    {
      name: "anything is taken for a notifier",
      from: 'if (notifier !== undefined && typeof notifier?.everywhere !== "function")',
      to: "if (topic === undefined)",
    },
    {
      name: "the number of cached answers has no limit",
      from: "if (answers.size <= size) break;",
      to: "break;",
    },
  ]),
  ...inFile("access/keys", [
    {
      name: "keys are fetched for every unknown key id",
      from: "(this.#fetching !== undefined || now - this.#triedAt >= interval)",
      to: "now > 0 - interval",
    },
    {
      name: "every caller that waits for keys starts a fetch of its own",
      from: "this.#fetching ??= this.#load(url)",
      to: "this.#fetching = this.#load(url)",
    },
    {
      name: "an error of the fetch is thrown although an older key is known",
      from: "if (!isKnown) throw error;",
      to: "throw error;",
    },
    {
      name: "the fetch of keys has no time limit",
      from: "fetch(url, { signal: ending.signal })",
      to: "fetch(url)",
    },
  ]),
  ...inFile("access/peer-check", [
    {
      name: "a string is accepted as a list of channels",
      from: "if (!Array.isArray(channels))",
      to: "if (channels === null)",
    },
  ]),
  ...inFile("access/tickets-in-log", [
    {
      name: "an append of a ticket cannot be sent again",
      from: "place, once };",
      to: "place };\n    void once;",
    },
    {
      name: "a log that has failed for good is asked for a ticket again",
      from: "if (isFinal(error)) throw error;",
      to: "if (error instanceof SealedError) throw error;\n        void isFinal;",
    },
    {
      name: "a log that fails is asked for a ticket again at once",
      from: '      await this.#scope.sleep("a ticket", wait);\n',
      to: "      void wait;\n",
    },
  ]),
  ...inFile("access/tickets-in-memory", [
    {
      name: "a ticket can be redeemed twice",
      from: "    this.#waiting.delete(ticket);\n",
      to: "",
    },
    {
      name: "a ticket never expires",
      from: "if (until > this.#clock.now() && this.#waiting.size <= this.#bounds.size) return;",
      to: "if (this.#waiting.size <= this.#bounds.size) return;",
    },
    {
      name: "the number of tickets has no limit",
      from: "if (until > this.#clock.now() && this.#waiting.size <= this.#bounds.size) return;",
      to: "if (until > this.#clock.now()) return;",
    },
    {
      name: "the limit of tickets per user is the limit of all tickets",
      from: 'own.size > perUser && user !== ""',
      to: "own.size > this.#bounds.size",
    },
  ]),
  ...inFile("access/tickets-in-log", [
    {
      name: "a ticket in a log can be redeemed twice",
      from: 'await this.#append(ticket, "{}", "last");',
      to: "",
    },
    {
      name: "a ticket that another process redeems at the same time is an error",
      from: "if (error instanceof SealedError) return null;",
      to: "",
    },
    {
      name: "a log keeps the ticket itself",
      from: "return prefix + hexOf(new Uint8Array(hash));",
      to: "return prefix + ticket + hash.byteLength;",
    },
    {
      name: "a ticket in a log is not committed",
      from: "    await this.#log.commit?.();\n",
      to: "",
    },
  ]),
  ...inFile("access/tokens", [
    {
      name: "a refresh token of another user is accepted",
      from: "return found?.user === user ? found.expires : null;",
      to: "return found === null ? null : found.expires;",
    },
    {
      name: "a short secret is accepted",
      from: "new TextEncoder().encode(secret).length < 32",
      to: 'secret === ""',
    },
    {
      name: "algorithms with a public key are accepted",
      from: "const allowed = listOf(algorithms, /^HS(256|384|512)$/);",
      to: "const allowed = [...algorithms];",
    },
    {
      name: "a token without claims throws an internal error",
      from: 'typeof payload === "object" && payload !== null ? await check(token) : undefined',
      to: "payload === undefined ? undefined : await check(token)",
    },
    {
      name: "an invalid token throws an error that contains its content",
      from: 'if (error instanceof Error && error.name.startsWith("Jwt")) return undefined;',
      to: "",
    },
    {
      name: "an empty list of audiences is accepted",
      from: "if (value !== undefined && value.length === 0)",
      to: "if (value !== undefined && value.length < 0)",
    },
  ]),
];
