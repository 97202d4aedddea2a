import { ReplyError } from "../model/errors.ts";
import type { RunStatus } from "../model/run-event.ts";

/** A publication in its wire format. */
export interface PublicationFields {
  data: unknown;
  offset: number;
  time?: number;
  tags?: Readonly<Record<string, string>>;
}

/** The result of a subscribe command. */
export interface SubscribeResult {
  epoch: string;
  offset: number;
  publications?: PublicationFields[];
  recovered?: boolean;
  data?: { earliest?: number; notice?: { kept: number }; status?: RunStatus };
}

/** The result of a history command. */
export interface HistoryResult {
  epoch: string;
  offset: number;
  publications: PublicationFields[];
}

/** The result of a connect command. */
export interface ConnectResult {
  ping?: number;
  /** The subscriptions that the server made by itself, by channel. */
  subs?: Readonly<Record<string, SubscribeResult>>;
  /** Names the session in requests of their own, where there is no WebSocket. */
  session?: string;
  /** The node that has the session, for the same requests. */
  node?: string;
}

/** The result of a presence command. */
export interface PresenceResult {
  presence: Readonly<Record<string, { user: string; conn_info?: unknown }>>;
}

/** Why a command was refused, or a subscription ended. */
export type Refusal = Pick<ReplyError, "code" | "message"> & { temporary?: boolean };

/** The reply to a command: a result under the command's name, or an error. */
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

/** A message about a channel that is not a reply to a command. */
export interface Push {
  channel: string;
  pub?: PublicationFields;
  unsubscribe?: { code: number; reason: string };
  disconnect?: { code: number; reason: string };
}

/** Returns the error that a caller gets for an error reply. */
export function refusal(what: string, { code, message, temporary }: Refusal): ReplyError {
  return new ReplyError(code, `Cannot ${what}: ${message || `connection lost (${code})`}`, temporary);
}
