import { inFile, type Mutation } from "../mutation.ts";

export const engineCore: readonly Mutation[] = [
  ...inFile("engine/core/counters", [
    {
      name: "any close code from a peer gets a counter of its own",
      from: 'this.#closed.add(ownCodes.includes(known) ? known : "other");',
      to: "this.#closed.add(known);",
    },
  ]),
  ...inFile("engine/core/event-check", [
    {
      name: "an inherited object member counts as a schema",
      from: "Object.hasOwn(schemas, type) ? schemas[type] : undefined;",
      to: "schemas[type];",
    },
    {
      name: "a schema may change the type of an event",
      from: "return { event: { type, ...rest } };",
      to: "return { event: { type, ...rest, ...made.event } };",
    },
    {
      name: "the original event is written instead of the validated one",
      from: "const { type: _, ...rest } = made.event as { type?: unknown };",
      to: "const { type: _, ...rest } = event;",
    },
    {
      name: "a schema that includes the type is not tried",
      from: 'return "event" in second || first.lacksType ? second : first;',
      to: "return first;",
    },
    {
      name: "a rejection of an asynchronous schema ends the process",
      from: "ignorable(Promise.resolve(result));",
      to: "Promise.resolve(result);",
    },
    { name: "an asynchronous schema is called a second time", from: " || first === asynchronous", to: "" },
    {
      name: "a validated event may have a toJSON method",
      from: "return isOwnClass(value) && !isSelfMade(value as object);",
      to: "return isOwnClass(value);",
    },
    {
      name: "the error that a schema threw is not passed to the publisher",
      from: 'return { why: "its schema threw", cause, isFault: true, lacksType: true };',
      to: 'return { why: "its schema threw", isFault: true, lacksType: true };',
    },
  ]),
  ...inFile("engine/core/input-check", [
    {
      name: "an invalid target of disconnect throws no error",
      from: 'if (typeof (user ?? session) === "string") return;',
      to: "if ([user, session].length > 0) return;",
    },
    {
      name: "a fractional offset is accepted",
      from: "  if (!isNatural(offset))",
      to: "  if ((offset as number) < 0)",
    },
  ]),
  ...inFile("engine/core/limits", [
    {
      name: "the message limit may be too small for a resumption",
      from: "if (message < minMessage) {",
      to: "if (message < 0) {",
    },
    {
      name: "the subscription limit may exceed the command limit",
      from: "if (limits[name] > subscriptions) continue;",
      to: "continue;",
    },
  ]),
  ...inFile("engine/core/turn", [
    {
      name: "nothing is committed in a turn",
      from: "    this.#parts.appends.commits?.run();\n",
      to: "",
    },
    {
      name: "a slow read of the log delays sessions with data to send",
      from: "if (this.#loading > 0) this.#flush();",
      to: "",
    },
    {
      name: "sessions are not flushed in a turn that reads",
      from: "    else if (this.#sessions.length > 0) this.schedule();\n",
      to: "",
    },
  ]),
  ...inFile("engine/core/held-records", [
    {
      name: "each release that fails in an outage is reported",
      from: '          health.failed("appends", lasting ?? error);\n',
      to: "",
    },
    {
      name: "what is released while joining is never released",
      from: "if (!this.#isOver) this.#early.push(record);",
      to: "",
    },
    {
      name: "a release is not committed",
      from: "return this.#parts.released();",
      to: "return;",
    },
    {
      name: "a release that failed is not tried again",
      from: "        await scope.sleep(owner, jittered(wait, clock));\n",
      to: "        return;\n",
    },
    {
      name: "closing does not wait until the log has answered all releases",
      from: "if (membership !== undefined && this.releasing > 0) await this.#settled();",
      to: "",
    },
    {
      name: "a record is not held again",
      from: "this.#ask(membership, () => membership.hold?.(held));",
      to: "void held;",
    },
    {
      name: "a confirmed publication without an end is forgotten by the next process",
      from: "Math.min(held.expires, Number.MAX_SAFE_INTEGER)",
      to: "held.expires",
    },
  ]),
];
