import { isObject, shown } from "../../base/check.ts";
import type { NotifierObjectOptions, ObjectLogBounds } from "./options.ts";

/** All names, so that a misspelt one is noticed: without `authenticate`, everybody would be accepted. */
const names: Readonly<Record<keyof NotifierObjectOptions, true>> = {
  authenticate: true,
  authorize: true,
  codecs: true,
  events: true,
  grace: true,
  heartbeat: true,
  limits: true,
  log: true,
  onError: true,
  onRefused: true,
  onUndelivered: true,
  origins: true,
  peer: true,
  redact: true,
  rpc: true,
  window: true,
};
const bounds: Readonly<Record<keyof ObjectLogBounds, true>> = {
  size: true,
  bytes: true,
  ttl: true,
  slack: true,
  totalBytes: true,
};

/** Throws a TypeError for what `options()` must not return. The notifier and its log check the values of the rest. */
export function checkOptions(options: NotifierObjectOptions): void {
  if (!isObject(options) || typeof (options as { then?: unknown }).then === "function")
    throw new TypeError(
      `Cannot use ${shown(options)}: options() has to return an object at once, and no promise of one`,
    );
  checkNames("options()", options, names);
  const { authenticate, peer, log = {} } = options;
  checkFunctions({ authenticate, peer });
  if (!isObject(log))
    throw new TypeError(`Cannot use log ${shown(log)}: give the bounds of the object's log`);
  checkNames("log", log, bounds);
}

function checkNames(what: string, given: object, known: object): void {
  const name = Object.keys(given).find((each) => !Object.hasOwn(known, each));
  if (name === undefined) return;
  throw new TypeError(`Cannot use ${name}: ${what} takes ${Object.keys(known).join(", ")}`);
}

function checkFunctions(given: object): void {
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && typeof value !== "function")
      throw new TypeError(`Cannot use ${name} ${shown(value)}: give a function`);
}
