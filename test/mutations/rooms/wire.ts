import { inFile, type Mutation } from "../mutation.ts";

export const wire: readonly Mutation[] = [
  ...inFile("wire/json-codec", [
    { name: "the first frame is not padded", from: "text + spaces.slice(text.length)", to: "text" },
  ]),
  ...inFile("wire/nesting", [
    {
      name: "siblings count as nested",
      from: "if (isDeeper((value as Record<string, unknown>)[name], levels - 1)) return true;",
      to: "if (isDeeper((value as Record<string, unknown>)[name], --levels)) return true;",
    },
    { name: "the depth of nesting has no limit", from: "if (levels === 0) return true;", to: "" },
  ]),
  ...inFile("wire/protobuf-codec", [
    {
      name: "a message of Protobuf may have any size",
      from: 'return bytes.length > maxBytes ? "tooLarge" : commandsIn(bytes, maxDepth);',
      to: "return maxBytes === 0 ? undefined : commandsIn(bytes, maxDepth);",
    },
    {
      name: "a publication is cut out of its push with its length",
      from: "    const start = endOfVarint(text, startOfPush(text) + head.length + 1);",
      to: "    const start = startOfPush(text) + head.length + 1;",
    },
    {
      name: "the end of a subscription counts as its content",
      from: "return text.startsWith(head, start) && contentTags.includes(text.charAt(start + head.length));",
      to: "return text.startsWith(head, start) && contentTags.length > 0;",
    },
    {
      name: "a first subscription says that it was recovered",
      from: "flagField(8, recovered !== undefined)",
      to: "flagField(8, recovered !== null)",
    },
  ]),
  ...inFile("wire/protobuf-commands", [
    {
      name: "a message without an id that is no send is taken",
      from: "  if (id === 0 && !isSend) return undefined;\n",
      to: "",
    },
    {
      name: "the nesting of Protobuf's JSON has no limit",
      from: "const isDeep = isDeeper(params, maxDepth - levelsAround + 1);",
      to: "const isDeep = isDeeper(params, Infinity * maxDepth);",
    },
    {
      name: "a number below 0 becomes one of 64 bits",
      from: 'return reading === "signed" && value >= 2 ** 63 ? -1 : value;',
      to: "return value;",
    },
    {
      name: "two commands in one message are taken for the last",
      from: "isAmbiguous ||= first !== 0 && first !== number;",
      to: "isAmbiguous ||= first < 0;",
    },
    {
      name: "a map changes a prototype",
      from: "(params[name] ?? Object.create(null)) as Params",
      to: "(params[name] ?? {}) as Params",
    },
  ]),
  ...inFile("wire/protobuf-reader", [
    { name: "text that is no UTF-8 is replaced", from: "fatal: true", to: "fatal: false" },
  ]),
  ...inFile("wire/protobuf-text", [
    {
      name: "text is written in one byte a character",
      from: "test(text) ? text : latin(encoder.encode(text))",
      to: "test(text) ? text : latin(encoder.encode(text)) && text",
    },
  ]),
];
