import type { Client } from "./clients.ts";
import type { Closed } from "./kills-server.ts";
import type { Track } from "./track.ts";

/** The clients of a server that has closed. */
export interface Audience {
  /** The number of connected clients when closing began. */
  admitted: number;
  /** The tracks that each client followed when closing began. */
  followed: ReadonlyMap<Client, readonly Track[]>;
}

/**
 * Returns the false statements in the server's report, and the clients that were neither closed with 3001 nor reported.
 */
export function judge(closed: Closed, { admitted, followed }: Audience): string[] {
  const { sessions, cut } = closed.report;
  const wrong: string[] = [];
  const counted = sessions.closed + sessions.cut;
  if (counted < admitted || counted > followed.size)
    wrong.push(`the report has ${counted} sessions, and ${admitted} of ${followed.size} were let in`);
  if (closed.left.length > 0) wrong.push(`the notifier still owns ${JSON.stringify(closed.left)}`);
  for (const [client, tracks] of followed) {
    if (client.connections === 0) continue;
    const reported = cut.find(({ user }) => user === client.user)?.channels;
    if (reported === undefined && client.codes.at(-1) !== 3001)
      wrong.push(`${nameOf(client)} was neither closed with 3001 nor reported: ${standing(client)}`);
    for (const { channel, at } of tracks) {
      const top = closed.tops[channel] ?? 0;
      const claim = reported === undefined ? { read: top, top } : reported[channel];
      // A client without any publication may not be subscribed yet. A cut client may have unsubscribed before.
      if (at === undefined || claim === undefined) continue;
      if (claim.top !== top) wrong.push(`the report says that ${channel} ends at ${claim.top}, not ${top}`);
      if (at.offset < claim.read || at.offset > top)
        wrong.push(`${nameOf(client)} has ${channel} up to ${at.offset}, not from ${claim.read} to ${top}`);
    }
  }
  return [...wrong, ...unaccounted(closed, followed)];
}

/**
 * Checks that each confirmed publication was received by a client or reported as undelivered, and was reported only
 * once.
 */
function unaccounted({ report, confirmed, undelivered }: Closed, followed: Audience["followed"]): string[] {
  const wrong: string[] = [];
  const reported = new Set(undelivered);
  if (reported.size < undelivered.length) wrong.push("a publication was reported as undelivered twice");
  const clients = [...followed.keys()].filter(({ connections }) => connections > 0);
  const has =
    (offset: number) =>
    ({ tracks: [news] }: Client): boolean =>
      news?.at !== undefined && news.from < offset && offset <= news.at.offset;
  const wasCut = ({ user }: Client): boolean => report.cut.some((each) => each.user === user);
  for (const offset of confirmed) {
    const holders = clients.filter(has(offset));
    if (holders.length === 0 && !reported.has(offset))
      wrong.push(`no client has ${offset} of news, and it was not reported`);
    // A `centrifuge` client sends no acknowledgements. So what it has read counts as delivered, unless it was cut.
    const reader = holders.find((client) => client.kind === "stock" && !wasCut(client));
    if (reader !== undefined && reported.has(offset))
      wrong.push(`${nameOf(reader)} has ${offset} of news, which was reported as undelivered`);
  }
  return wrong;
}

export function nameOf({ kind, user }: Client): string {
  return `${user} (${kind})`;
}

/** Describes the state of a client for error messages. */
export function standing({ connections, codes, ended, tracks }: Client): string {
  const places = tracks.map(
    ({ channel, at, gaps, received }) =>
      `${channel} at ${at === undefined ? "nothing" : at.offset}, ${received} received, ${gaps} gaps`,
  );
  return `${connections} connections, closed with ${codes.join(", ") || "nothing"}, ${places.join("; ")}${
    ended === undefined ? "" : `, run ended by ${ended}`
  }`;
}
