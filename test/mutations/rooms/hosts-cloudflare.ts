import { inFile, type Mutation } from "../mutation.ts";

export const hostsCloudflare: readonly Mutation[] = [
  ...inFile("hosts/cloudflare/limits", [
    {
      name: "a limit of an object that is undefined is the one of other hosts",
      from: "([, value]) => value !== undefined",
      to: "() => true",
    },
    {
      name: "an object with raised limits contradicts itself",
      from: "Math.max(commandTotalChars, 2 * commandChars)",
      to: "Math.max(commandTotalChars, commandChars)",
    },
    {
      name: "a given limit on all commands is replaced",
      from: "{ commandTotalChars: Math.max(commandTotalChars, 2 * commandChars), ...limits }",
      to: "{ ...limits, commandTotalChars: Math.max(commandTotalChars, 2 * commandChars) }",
    },
  ]),
  ...inFile("hosts/cloudflare/life", [
    { name: "an object has the limits of other hosts", from: "limitsOfObject(limits)", to: "limits ?? {}" },
    {
      name: "an object has the window of other hosts",
      from: "window = objectWindow",
      to: "window = undefined",
    },
  ]),
];
