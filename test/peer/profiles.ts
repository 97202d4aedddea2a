import type { MemoryLogOptions, NotifierOptions } from "tocsin";

/** What distinguishes the notifiers that tests talk to. The first segment of a path names one. */
export interface ProfileOptions extends Pick<NotifierOptions, "heartbeat" | "window" | "limits"> {
  /** What a log keeps of each channel. Default: as much as a log keeps by default. */
  keep?: Pick<MemoryLogOptions, "size" | "slack">;
  /** Whether only users are accepted, and only pages of {@linkcode page}, and nothing is authorized. Default: false. */
  isClosed?: boolean;
  /** Whether it speaks JSON only, and not Protobuf. Default: false. */
  isJsonOnly?: boolean;
  /** Whether clients are identified by tokens, and can refresh them. Default: false. */
  hasTokens?: boolean;
}

/** The origin of the pages that a closed profile accepts. */
export const page = "https://app.example";

const all = {
  /** The limits that a notifier has by default. */
  open: {},
  /** Low limits on what a peer may send, open and ask for. */
  tight: {
    isJsonOnly: true,
    window: 16_384,
    limits: {
      channel: 100,
      subscriptions: 3,
      message: 16_384,
      publication: 2_048,
      depth: 8,
      commands: 10,
      burst: 30,
      rate: 10,
      sessions: 3,
      userSessions: 2,
      history: 5,
      presence: 2,
    },
  },
  /** Short times. Whoever does not answer its pings is soon closed. */
  quick: {
    heartbeat: 300,
    limits: { connect: 500, answer: 300, pong: 400 },
  },
  /** A small window, and little patience with those who do not read what is in it. */
  hasty: { window: 4_096, limits: { slow: 500 } },
  /** A log that keeps five publications of each channel, and a small window. */
  short: { window: 4_096, keep: { size: 5, slack: 0 } },
  /** A small window over a log that keeps everything. */
  narrow: { window: 4_096 },
  /** Clients are identified by their tokens. */
  tokens: { hasTokens: true },
  /** Closed to those who are not known. */
  closed: { isClosed: true },
} satisfies Record<string, ProfileOptions>;

/** The name of a profile. */
export type Profile = keyof typeof all;

export const profiles: Readonly<Record<Profile, ProfileOptions>> = all;

/** Returns the profile and the rest of the name in a path. Undefined if there is no such profile. */
export function placeOf(path: string): { profile: Profile; name: string } | undefined {
  const [, profile = "", name = ""] = path.split("/");
  return Object.hasOwn(all, profile) && name !== "" ? { profile: profile as Profile, name } : undefined;
}
