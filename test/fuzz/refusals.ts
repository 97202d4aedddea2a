import type { Asked } from "../support/wire-rules.ts";
import { isObject } from "../support/wire-shapes.ts";
import { owners } from "./fate.ts";

/** The rules for commands that must be answered with an error in every state. */

/** Returns whether a command with a valid envelope has invalid parameters. */
export function isMalformed({ name, params }: Asked): boolean {
  const { channel, method, token, since, limit, data } = params;
  switch (name) {
    case "subscribe":
      return (
        !isName(channel) ||
        !isPosition(params) ||
        !isNatural(params.flag) ||
        ![undefined, 0].includes(params.type as 0)
      );
    case "publish":
      return !isName(channel) || !Object.hasOwn(params, "data");
    case "history":
      return !isName(channel) || (limit !== undefined && !Number.isSafeInteger(limit)) || !isSince(since);
    case "unsubscribe":
    case "presence":
    case "presence_stats":
      return !isName(channel);
    case "rpc":
      return typeof method !== "string" || (method === "ack" && !(isObject(data) && isObject(data.ack)));
    case "refresh":
      return typeof token !== "string" || token === "";
    case "sub_refresh":
    case "":
      return true;
    default:
      return false;
  }
}

/** Returns whether the user has no permission for the command. */
export function isForbidden(user: string, { name, channel }: Asked): boolean {
  if (!["subscribe", "publish", "presence", "presence_stats", "history"].includes(name)) return false;
  const [, run] = /^run:(.*)$/s.exec(channel) ?? [];
  if (run !== undefined) return name === "publish" || !Object.hasOwn(owners, run) || owners[run] !== user;
  return user === "" || ["deny", "throw", "reject"].includes(channel);
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "" && value.length <= 255;
}

function isNatural(value: unknown): boolean {
  return value === undefined || value === null || (Number.isSafeInteger(value) && (value as number) >= 0);
}

function isPosition({ offset, epoch }: Readonly<Record<string, unknown>>): boolean {
  return isNatural(offset) && (epoch === undefined || typeof epoch === "string");
}

function isSince(since: unknown): boolean {
  return since === undefined || (isObject(since) && isPosition(since));
}
