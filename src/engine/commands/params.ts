import { isNatural } from "../../base/check.ts";
import type { Position } from "../../model/log.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";

/** The params of a command as the client sent them. Nothing in them is checked. */
export type Params = Readonly<Record<string, unknown>>;

export function positionOf(params: Params): Position {
  const { epoch = "" } = params;
  if (typeof epoch !== "string") throw new Refusal(replies.badRequest);
  return { offset: naturalOf(params, "offset"), epoch };
}

export function naturalOf(params: Params, name: string): number {
  const value = params[name] ?? 0;
  if (!isNatural(value)) throw new Refusal(replies.badRequest);
  return value;
}
