import { describe, LogError } from "../../model/errors.ts";
import { codes, type Fault, faultError, faults, lasting, passing, refusal } from "./faults.ts";

/** What the storage of an object says at the end of a message: the name of the primary result code. */
const codeName = /: SQLITE_([A-Z]+)(?: \(extended: \w+\))?$/;
const missing = /no such table: tocsin_/;
/** What the platform says of a class that was not declared as one with SQLite. */
const disabled = /SQL is not enabled/;

/** Faults that need other words for an object, which has no file, by primary result code. */
const objectFaults: ReadonlyMap<number, Fault> = new Map([
  [10, passing("the storage of the object reports an error")],
  [
    11,
    lasting(
      "it is damaged. Restore the object to an earlier point in time, and call renew() on the log then",
    ),
  ],
  [13, passing("the storage of the object is full. Lower totalBytes, or delete what else the object stores")],
  [23, lasting("the platform refuses what the log does")],
]);

/** Returns the `LogError` for what the storage of a Durable Object threw. Its errors have no code but their message. */
export function storageError(cause: unknown): LogError {
  if (cause instanceof LogError) return cause;
  return faultError(faultOf(describe(cause).message), cause);
}

function faultOf(message: string): Fault {
  const [, name] = codeName.exec(message) ?? [];
  if (disabled.test(message))
    return lasting("the class of the object has no SQLite. Declare it under new_sqlite_classes");
  // What is not of SQLite is of the platform, which ends the object if it lasts.
  if (name === undefined) return passing(`the platform reports an error, ${message}`);
  const code = codes[name] ?? 0;
  const fault = objectFaults.get(code) ?? faults.get(code);
  if (fault !== undefined) return fault;
  if (missing.test(message))
    return lasting("its tables are gone. After deleteAll(), end the object with abort()");
  return refusal(message);
}
