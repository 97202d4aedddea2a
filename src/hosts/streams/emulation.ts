import type { Context, Handler } from "hono";
import { isObject } from "../../base/check.ts";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import { Admission, type AdmissionOptions } from "../admission.ts";
import { readBody } from "./body.ts";
import { crossOrigin } from "./cross-origin.ts";

/** Bytes of a post besides its message. */
const envelope = 1_024;

/** What a client posts. */
interface Post {
  readonly session: string;
  readonly node: string | undefined;
  readonly data: string;
}

/**
 * Returns a handler for the messages of `centrifuge` clients that have an {@linkcode httpStream} or an {@linkcode sse}:
 * a POST of `{"session":…,"node":…,"data":…}`. With several nodes, any of them may get it: it hands it on to the one
 * that has the stream.
 *
 * Answers 204. Refuses with 403 (Origin), 413 or 408 (the body is too large, or does not come), 400 (it is no such
 * object), 404 (no stream has this session, here or at that node), 503 (the log that leads to that node fails) or 405. The
 * notifier's `onRefused` is called for each refusal. The secret of the session is the permission, so `authenticate` is
 * not called. Throws a TypeError for options that cannot work.
 */
export function emulation(notifier: Notifier, options: AdmissionOptions = {}): Handler {
  const admission = new Admission(notifier, options, { what: "emulation" });
  // Each quotation mark of the message takes two bytes in the JSON around it.
  const most = 2 * notifier.maxMessage + envelope;
  const handle = async (c: Context): Promise<Response> => {
    const checking = admission.checkOrigin(c);
    if (checking instanceof Promise) await checking;
    const post = postOf(await readBody(c, admission, most));
    if (typeof post === "string")
      throw admission.refuse(c, 400, post, { text: `Cannot take the message: ${post}` });
    if (await isTaken(c, post)) return c.body(null, 204);
    const reason =
      "no open stream has this session; it has ended, or is at a node that shares no log with this one";
    throw admission.refuse(c, 404, reason);
  };
  const isTaken = async (c: Context, { session, data, node }: Post): Promise<boolean> => {
    try {
      return await notifier.post(session, data, node);
    } catch (error) {
      notifier.report(error, { stage: "host", owner: "emulation" });
      throw admission.refuse(
        c,
        503,
        "the node that has the stream cannot be reached; onError has the reason",
      );
    }
  };
  return crossOrigin(admission, { methods: ["POST"], handle });
}

/** Reads a post. Returns what is wrong with it otherwise. */
function postOf(text: string): Post | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "the body is not JSON";
  }
  if (!isObject(value)) return "the body is not an object";
  const { session, node, data } = value;
  if (typeof session !== "string" || session === "") return "session is not a text";
  if (typeof data !== "string") return "data is not a text";
  if (node !== undefined && node !== null && typeof node !== "string") return "node is not a text";
  return { session, data, node: node === null || node === "" ? undefined : node };
}
