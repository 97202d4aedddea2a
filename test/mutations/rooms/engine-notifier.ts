import { inFile, type Mutation } from "../mutation.ts";

export const engineNotifier: readonly Mutation[] = [
  ...inFile("engine/notifier/idempotency", [
    {
      name: "an idempotency key is forgotten at once",
      from: "if (until > now && this.#done.size <= maxKeys) return;",
      to: "",
    },
    {
      name: "an idempotency key is ignored while its first publication is pending",
      from: "const known = this.#pending.get(key) ?? this.#done.get(key)?.promise;",
      to: "const known = this.#done.get(key)?.promise;",
    },
    {
      name: "an idempotency key stays used after a failure",
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
      name: "the end of the grace does not end its parts",
      from: "      half.abort();\n      late.abort();\n",
      to: "",
    },
    {
      name: "a grace given to close begins at that call",
      from: "const elapsed = clock.now() - this.#closingSince;",
      to: "const elapsed = 0 * clock.now();",
    },
    {
      name: "a longer grace given to close is used for silent peers",
      from: "this.#hub.grace = Math.min(this.#hub.grace, grace);",
      to: "this.#hub.grace = grace;",
    },
    {
      name: "a session is accepted after closing began",
      from: "if (this.#isClosing) return refuse(this.#hub, socket, closes.shutdown);",
      to: "if (!this.#begun) return refuse(this.#hub, socket, closes.shutdown);",
    },
    {
      name: "the session limit is not checked",
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
      name: "the hub is not ended after closing",
      from: "        hub.end();\n        this.#publisher.clear();\n",
      to: "        this.#publisher.clear();\n",
    },
  ]),
  ...inFile("engine/notifier/publisher", [
    {
      name: "the rejection of a publication that is not awaited ends the process",
      from: "return ignorable(position.then(appended));",
      to: "return position.then(appended);",
    },
    {
      name: "an idempotency key is shared by all channels",
      from: "this.#idempotency.do(JSON.stringify([channel, key]), ",
      to: "this.#idempotency.do(key, ",
    },
    {
      name: "the signal of one publisher aborts a publication that others share",
      from: "const { signal, ...rest } = options;",
      to: "const { signal } = options;\n    const rest = options;",
    },
  ]),
];
