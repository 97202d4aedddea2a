import type { Position } from "../../src/model/log.ts";
import type { Got, NodesClient, Said } from "./nodes-client.ts";
import type { Report, SimNode } from "./nodes-node.ts";
import type { NodesWorld, Resolved, Span } from "./nodes-world.ts";

/** Milliseconds in which nodes that reach each other tell each other what they know. */
const spread = 1_000;

/**
 * Each confirmed publication that was resolved is delivered to somebody, or reported, and reported once.
 *
 * - It may be reported although it was delivered, if the node that knew is gone, or somebody could not be reached
 *   meanwhile, or the store has lost something since.
 * - It may be reported twice, if one of those who did was gone, or could not reach the store, or the store has lost something.
 * - It may be neither, if the store has lost it and the node that had published it is gone.
 */
export function judgeReports(world: NodesWorld): void {
  for (const each of world.resolved) if (each.expires !== undefined) judgeSilence(world, each);
  const told = new Map<string, Report[]>();
  for (const report of world.reports) {
    if (report.reason === "unlogged") continue;
    const key = `${report.channel} ${report.epoch} ${report.data}`;
    told.set(key, [...(told.get(key) ?? []), report]);
    judgeFalse(world, report);
  }
  for (const reports of told.values()) judgeTwice(world, reports);
}

function judgeSilence(world: NodesWorld, { channel, position, data, node }: Resolved): void {
  const { reports, clients, truth, nodes } = world;
  // Its key had been used before, perhaps by one that needs no confirmation.
  if (truth.at(channel, position) !== data) return;
  if (reports.some((report) => report.channel === channel && report.data === data)) return;
  // It may have been appended before, delivered, and lost, before its node heard of any of that and tried again.
  const places = [position, ...truth.placesOf(channel, data)];
  if (places.some((place) => clients.some((client) => isReached(world, client, channel, place)))) return;
  if (!truth.isNow(channel, position) && node.state !== "alive") return;
  // Whoever inherited it found nothing.
  const gone = `confirmed publication ${position.offset} of ${JSON.stringify(channel)}`;
  if (nodes.some(({ errors }) => errors.some(({ error }) => error.message.includes(gone)))) return;
  throw new Error(`${data} of ${node.name} was neither delivered nor reported`);
}

function isReached(
  world: NodesWorld,
  { got, said }: NodesClient,
  channel: string,
  position: Position,
): boolean {
  return (
    got.some(
      (each) => each.isSilent && each.offset === position.offset && covers(world, each, channel, position),
    ) || said.some((each) => covers(world, each, channel, position))
  );
}

/** Returns whether a client that has come to a position has the one that is asked about. */
function covers(
  { truth }: NodesWorld,
  its: Said | Got,
  channel: string,
  { epoch, offset }: Position,
): boolean {
  if (its.channel !== channel || its.offset < offset) return false;
  if (its.epoch === epoch || truth.continues(channel, its.epoch, { epoch, offset })) return true;
  // It was there before the store was set back, and its node heard its position only after that.
  return truth.continues(channel, epoch, { epoch: its.epoch, offset });
}

/** Somebody has acknowledged it, and a node that lives knew that long before. */
function judgeFalse(world: NodesWorld, report: Report): void {
  const { clients, losses, trace, expiries, revoked } = world;
  const { data, reason, at, node } = report;
  const inTime = Math.min(at - spread, expiries.get(data) ?? Infinity);
  if (losses.some((loss) => loss <= at)) return;
  for (const client of clients)
    for (const said of client.said) {
      if (!said.isSure || said.at >= inTime || !covers(world, said, report.channel, report)) continue;
      const span = { from: said.at, until: at };
      const sent = sentTo(world, client, report);
      // It begins behind it, so it acknowledges what is in front of that without having it.
      if (sent.length === 0) continue;
      const senders = sent.flatMap(({ node: sender }) => sender ?? []);
      // Who may not read a channel any more does not acknowledge anything in it.
      const isRevoked = revoked.some(
        ({ user, channel = report.channel, at: then }) =>
          user === client.user &&
          channel === report.channel &&
          then <= said.at &&
          sent.every((got) => got.at <= then),
      );
      if (isRevoked && !said.isReturn) continue;
      const knowers = [node, said.node, ...senders];
      if (!knowers.every((one) => couldReach(world, one, span))) continue;
      trace.push(
        `${said.at} ${client.user} had acknowledged ${said.offset} to ${said.node.name}, ${said.isReturn ? "coming back" : "saying so"}; sent by ${senders.map(({ name }) => name)} at ${sent.map(({ at: then }) => then)}`,
      );
      throw new Error(`${node.name} gave up ${data} as ${reason}, which ${client.user} had acknowledged`);
    }
}

/** Returns when a client was sent what was given up. Two runs with one id may end with the same text. */
function sentTo(world: NodesWorld, { got }: NodesClient, report: Report): Got[] {
  const { channel, data, offset } = report;
  return got.filter(
    (each) => each.data === data && each.offset === offset && covers(world, each, channel, report),
  );
}

/** Returns whether a node had joined, lived and could reach the store in a span. */
function couldReach(
  { pauses }: NodesWorld,
  { cuts, joinedAt, endedAt }: SimNode,
  { from, until }: Span,
): boolean {
  if (joinedAt > from || endedAt <= until) return false;
  return ![...pauses, ...cuts].some((span) => span.from <= until && span.until + spread >= from);
}

function judgeTwice(world: NodesWorld, reports: readonly Report[]): void {
  for (const [n, first] of reports.entries()) {
    const next = reports[n + 1];
    if (next === undefined) return;
    const { at, node, channel, data } = first;
    if (world.losses.some((loss) => loss > at - spread)) continue;
    const span = { from: at - spread, until: next.at + spread };
    // Whoever is cut off does not know that others have it now.
    if (![node, next.node].every((one) => couldReach(world, one, span))) continue;
    throw new Error(`${data} of ${channel} was reported by ${node.name}, and then by ${next.node.name}`);
  }
}
