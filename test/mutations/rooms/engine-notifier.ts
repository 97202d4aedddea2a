import { inFile, type Mutation } from "../mutation.ts";

export const engineNotifier: readonly Mutation[] = [
  ...inFile("engine/notifier/idempotency", [
    {
      name: "a key is forgotten at once",
      from: "if (until > now && this.#done.size <= maxKeys) return;",
      to: "",
    },
    {
      name: "a key is forgotten while its first publication is under way",
      from: "const known = this.#pending.get(key) ?? this.#done.get(key)?.promise;",
      to: "const known = this.#done.get(key)?.promise;",
    },
    {
      name: "a key is never free again after a failure",
      from: "      () => finish(false),\n",
      to: "      () => {},\n",
    },
  ]),
  ...inFile("engine/notifier/live-notifier", [
    {
      name: "the grace never ends",
      from: 'scope.timer("grace", grace * share - elapsed, () => deadline.abort());',
      to: "",
    },
    {
      name: "the signal given to close does not end the grace",
      from: "this.#hub.scope.link(signal, () => this.#shares.at(-1)?.deadline.abort());",
      to: "",
    },
    {
      name: "the end of the grace does not end its shares",
      from: "      half.abort();\n      late.abort();\n",
      to: "",
    },
    {
      name: "a grace given to close begins when it is given",
      from: "const elapsed = clock.now() - this.#closingSince;",
      to: "const elapsed = 0 * clock.now();",
    },
    {
      name: "a longer grace given to close lengthens it for stuck peers",
      from: "this.#hub.grace = Math.min(this.#hub.grace, grace);",
      to: "this.#hub.grace = grace;",
    },
    {
      name: "a session is accepted after closing began",
      from: "if (this.#isClosing) return refuse(this.#hub, socket, closes.shutdown);",
      to: "if (!this.#begun) return refuse(this.#hub, socket, closes.shutdown);",
    },
    {
      name: "any number of sessions are accepted",
      from: "    if (!this.admits(peer.user)) return refuse(this.#hub, socket, closes.connectionLimit);\n",
      to: "",
    },
    {
      name: "a publication is accepted after closing began",
      from: 'if (this.#isClosing) return ignorable(Promise.reject(closed("publish")));',
      to: "",
    },
    {
      name: "a run is started after closing began",
      from: 'if (this.#isClosing) throw closed("run");',
      to: "",
    },
    {
      name: "what closing leaves behind stays",
      from: "        hub.end();\n        this.#publisher.clear();\n",
      to: "        this.#publisher.clear();\n",
    },
  ]),
  ...inFile("engine/notifier/publisher", [
    {
      name: "a publication that nobody awaits ends a process that closes",
      from: "return ignorable(position.then(appended));",
      to: "return position.then(appended);",
    },
    {
      name: "one key is one publication in all channels together",
      from: "this.#idempotency.do(JSON.stringify([channel, key]), ",
      to: "this.#idempotency.do(key, ",
    },
    {
      name: "whoever stops waiting takes a publication from those who share its key",
      from: "const { signal, ...rest } = options;",
      to: "const { signal } = options;\n    const rest = options;",
    },
  ]),
];
