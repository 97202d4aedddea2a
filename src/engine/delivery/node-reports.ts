import { isNatural, isObject } from "../../base/check.ts";
import { type Level, levels } from "../../model/receipt.ts";
import type { DeliveryState } from "./subscription.ts";

/** A publication, as nodes name it to each other. */
export interface Named {
  readonly channel: string;
  readonly epoch: string;
  readonly offset: number;
}

/** What a node is told of a publication that it waits for. Message `delivered`. */
export interface DeliveredReport extends Named {
  /** A level that it has reached, with this subscriber. */
  readonly level: Level;
  readonly by: string;
  readonly time: number;
  /** Whether that discharges a confirmed publication. */
  readonly discharges: boolean;
}

/** What a node asks all others to tell it. Message `awaited`. */
export interface AwaitedReport extends Named {
  readonly level?: Level | undefined;
  readonly by?: string | undefined;
  /** For how many milliseconds it still waits. */
  readonly left: number;
}

/** Publications that a node waits for: the id of the node, and the first and last offset. */
export type Waited = readonly [node: string, first: number, last: number];

/** How far a subscriber had come that has left, and who waits for what it was sent. Message `departed`. */
export interface DepartedReport extends DeliveryState {
  readonly channel: string;
  readonly epoch: string;
  readonly waits: readonly Waited[];
}

/** Returns what is of a known form. A newer version may send other things, too. */
export function deliveredIn(value: unknown): DeliveredReport | undefined {
  if (!isObject(value) || !isNamed(value)) return undefined;
  const { channel, epoch, offset, level, by, time, discharges } = value;
  if (!isLevel(level) || typeof by !== "string" || typeof time !== "number") return undefined;
  return { channel, epoch, offset, level, by, time, discharges: discharges === true };
}

/** Returns what is of a known form. */
export function awaitedIn(value: unknown): AwaitedReport | undefined {
  if (!isObject(value) || !isNamed(value)) return undefined;
  const { channel, epoch, offset, level, by, left } = value;
  if (level !== undefined && !isLevel(level)) return undefined;
  if ((by !== undefined && typeof by !== "string") || typeof left !== "number") return undefined;
  return { channel, epoch, offset, level, by, left };
}

/** Returns what is of a known form. */
export function departedIn(value: unknown): DepartedReport | undefined {
  if (!isObject(value)) return undefined;
  const { channel, epoch, by, since, written, read, acknowledged, discharged, time, waits, isFresh } =
    value as Partial<DepartedReport>;
  const offsets = { since, written, read, acknowledged, discharged };
  if (!isText(channel) || !isText(epoch) || !isText(by) || typeof time !== "number") return undefined;
  if (!Object.values(offsets).every(isNatural) || !Array.isArray(waits) || !waits.every(isWaited))
    return undefined;
  const known = { channel, epoch, by, time, waits, isFresh: isFresh === true || undefined };
  return { ...known, ...(offsets as Omit<DeliveryState, "by" | "time" | "isFresh">) };
}

function isNamed(value: Record<string, unknown>): value is Record<string, unknown> & Named {
  const { channel, epoch, offset } = value;
  return isText(channel) && isText(epoch) && isNatural(offset) && offset > 0;
}

function isWaited(value: unknown): value is Waited {
  if (!Array.isArray(value)) return false;
  const [node, first, last] = value;
  return isText(node) && isNatural(first) && isNatural(last);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isLevel(value: unknown): value is Level {
  return (levels as readonly unknown[]).includes(value);
}
