import { inFile, type Mutation } from "../mutation.ts";

export const access: readonly Mutation[] = [
  ...inFile("access/cached", [
    {
      name: "answers of one connection are another's",
      from: "const remembered = cache.get(peer)?.get(key);",
      to: "const remembered = [...[peer]].map((each) => cache.get(each)?.get(action.channel))[0];",
    },
    {
      name: "an answer is remembered for ever",
      from: "if (remembered !== undefined && clock.now() < remembered.until)",
      to: "if (remembered !== undefined)",
    },
    {
      name: "an answer that was looked up before all were forgotten is remembered",
      from: "const cacheAtCall = cache;",
      to: "const cacheAtCall = { get: (one: Peer) => cache.get(one), set: (one: Peer, all: Map<string, Remembered>) => cache.set(one, all) };",
    },
    { name: "any number of answers are remembered", from: "if (answers.size <= size) break;", to: "break;" },
  ]),
  ...inFile("access/keys", [
    {
      name: "keys that peers make up are fetched each time",
      from: "(this.#fetching !== undefined || now - this.#triedAt >= interval)",
      to: "now > 0 - interval",
    },
    {
      name: "everybody who waits for keys fetches them",
      from: "this.#fetching ??= this.#load(url)",
      to: "this.#fetching = this.#load(url)",
    },
    { name: "old keys are worse than none", from: "if (!isKnown) throw error;", to: "throw error;" },
    {
      name: "a fetch of keys ends when it likes",
      from: "fetch(url, { signal: ending.signal })",
      to: "fetch(url)",
    },
  ]),
  ...inFile("access/peer-check", [
    {
      name: "a channel's name is taken for a list of names",
      from: "if (!Array.isArray(channels))",
      to: "if (channels === null)",
    },
  ]),
  ...inFile("access/tickets", [
    { name: "a ticket lets in twice", from: "    waiting.delete(ticket);\n", to: "" },
    {
      name: "a ticket never expires",
      from: "if (until > clock.now() && waiting.size <= size) return;",
      to: "if (waiting.size <= size) return;",
    },
    {
      name: "there are as many tickets as anybody likes",
      from: "if (until > clock.now() && waiting.size <= size) return;",
      to: "if (until > clock.now()) return;",
    },
    {
      name: "one user's tickets take everybody else's place",
      from: 'own.size > perUser && identity.user !== ""',
      to: "own.size > size",
    },
  ]),
  ...inFile("access/tokens", [
    {
      name: "a later token may be somebody else's",
      from: "return found?.user === user ? found.expires : null;",
      to: "return found === null ? null : found.expires;",
    },
    {
      name: "a secret may be short",
      from: "new TextEncoder().encode(secret).length < 32",
      to: 'secret === ""',
    },
    {
      name: "a public key may be given for a secret",
      from: "const allowed = listOf(algorithms, /^HS(256|384|512)$/);",
      to: "const allowed = [...algorithms];",
    },
    {
      name: "a token without claims is an error of ours",
      from: 'typeof payload === "object" && payload !== null ? await check(token) : undefined',
      to: "payload === undefined ? undefined : await check(token)",
    },
    {
      name: "an invalid token is reported, with what it holds",
      from: 'if (error instanceof Error && error.name.startsWith("Jwt")) return undefined;',
      to: "",
    },
    {
      name: "an empty audience is no audience",
      from: "if (value !== undefined && value.length === 0)",
      to: "if (value !== undefined && value.length < 0)",
    },
  ]),
];
