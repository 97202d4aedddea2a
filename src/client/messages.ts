import { ReplyError } from "../model/errors.ts";
import type { RunStatus } from "../model/run-event.ts";

/** A publication as the wire has it. */
export interface PublicationFields {
  data: unknown;
  offset: number;
  time?: number;
  tags?: Readonly<Record<string, string>>;
}

/** The answer to a subscribe command. */
export interface SubscribeResult {
  epoch: string;
  offset: number;
  publications?: PublicationFields[];
  recovered?: boolean;
  data?: { earliest?: number; notice?: { kept: number }; status?: RunStatus };
}

/** The answer to a history command. */
export interface HistoryResult {
  epoch: string;
  offset: number;
  publications: PublicationFields[];
}

/** The answer to a connect command. */
export interface ConnectResult {
  ping?: number;
  /** What the server has subscribed the client to, by channel. */
  subs?: Readonly<Record<string, SubscribeResult>>;
}

/** The answer to a presence command. */
export interface PresenceResult {
  presence: Readonly<Record<string, { user: string; conn_info?: unknown }>>;
}

/** Why a command is refused, or a subscription over. */
export type Refusal = Pick<ReplyError, "code" | "message"> & { temporary?: boolean };

/** What answers a command: a result under the command's name, or an error. */
export interface Reply {
  error?: Refusal;
  connect?: ConnectResult;
  subscribe?: SubscribeResult;
  [command: string]: unknown;
}

/** A reply, a push or a ping. */
export interface Message extends Reply {
  id?: number;
  push?: Push;
}

/** What a server says of a channel by itself. */
export interface Push {
  channel: string;
  pub?: PublicationFields;
  unsubscribe?: { code: number; reason: string };
}

/** What a user reads of an error of the server's. */
export function refusal(what: string, { code, message, temporary }: Refusal): ReplyError {
  return new ReplyError(code, `Cannot ${what}: ${message || `connection lost (${code})`}`, temporary);
}
