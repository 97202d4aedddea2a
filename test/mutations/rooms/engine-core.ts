import { inFile, type Mutation } from "../mutation.ts";

export const engineCore: readonly Mutation[] = [
  ...inFile("engine/core/counters", [
    {
      name: "a peer makes up as many codes as it likes",
      from: 'this.#closed.add(ownCodes.includes(known) ? known : "other");',
      to: "this.#closed.add(known);",
    },
  ]),
  ...inFile("engine/core/event-check", [
    {
      name: "what every object has counts as a type that is listed",
      from: "Object.hasOwn(schemas, type) ? schemas[type] : undefined;",
      to: "schemas[type];",
    },
    {
      name: "a schema may give an event another type",
      from: "return { event: { type, ...rest } };",
      to: "return { event: { type, ...rest, ...made.event } };",
    },
    {
      name: "an event is written as it was given, and not as its schema made it",
      from: "const { type: _, ...rest } = made.event as { type?: unknown };",
      to: "const { type: _, ...rest } = event;",
    },
    {
      name: "a schema that has the type in it is never given it",
      from: 'return "event" in second || first.lacksType ? second : first;',
      to: "return first;",
    },
    {
      name: "what an asynchronous schema rejects with ends the process",
      from: "ignorable(Promise.resolve(result));",
      to: "Promise.resolve(result);",
    },
    { name: "a schema that answers later is asked again", from: " || first === asynchronous", to: "" },
    {
      name: "what a schema makes of an event may say itself what JSON is to write",
      from: "return isOwnClass(value) && !isSelfMade(value as object);",
      to: "return isOwnClass(value);",
    },
    {
      name: "what a schema threw is kept from whoever publishes",
      from: 'return { why: "its schema threw", cause, isFault: true, lacksType: true };',
      to: 'return { why: "its schema threw", isFault: true, lacksType: true };',
    },
  ]),
  ...inFile("engine/core/input-check", [
    {
      name: "whoever nobody can be is disconnected without a word",
      from: 'if (typeof (user ?? session) === "string") return;',
      to: "if ([user, session].length > 0) return;",
    },
    {
      name: "any number is an offset",
      from: "  if (!isNatural(offset))",
      to: "  if ((offset as number) < 0)",
    },
  ]),
  ...inFile("engine/core/limits", [
    {
      name: "a message may be too small to come back with",
      from: "if (message < minMessage) {",
      to: "if (message < 0) {",
    },
    {
      name: "a session may have more subscriptions than it may send commands",
      from: "if (limits[name] > subscriptions) continue;",
      to: "continue;",
    },
  ]),
  ...inFile("engine/core/turn", [
    {
      name: "a slow log holds up who has something to send",
      from: "if (this.#loading > 0) this.#flush();",
      to: "",
    },
    {
      name: "a read in this turn holds up who has something to send",
      from: "    else if (this.#sessions.length > 0) this.schedule();\n",
      to: "",
    },
  ]),
];
