import { inFile, type Mutation } from "../mutation.ts";

export const wire: readonly Mutation[] = [
  ...inFile("wire/json-codec", [
    {
      name: "what is beside each other is nested",
      from: "if (isDeeper((value as Record<string, unknown>)[name], levels - 1)) return true;",
      to: "if (isDeeper((value as Record<string, unknown>)[name], --levels)) return true;",
    },
    { name: "nesting has no end", from: "if (levels === 0) return true;", to: "" },
  ]),
];
