import { inFile, type Mutation } from "../mutation.ts";

export const wire: readonly Mutation[] = [
  ...inFile("wire/json-codec", [
    {
      name: "siblings count as nested",
      from: "if (isDeeper((value as Record<string, unknown>)[name], levels - 1)) return true;",
      to: "if (isDeeper((value as Record<string, unknown>)[name], --levels)) return true;",
    },
    { name: "the depth of nesting has no limit", from: "if (levels === 0) return true;", to: "" },
  ]),
];
