import { Frames } from "../../src/hosts/connection.ts";
import { frameOf } from "../../src/hosts/frame.ts";
import { createNotifier } from "../../src/mod.ts";
import type { Session } from "../../src/model/socket.ts";
import { protobufCodec } from "../../src/protobuf.ts";

/**
 * Measures JSON beside Protobuf in this process: `node --import tsx bench/protobuf/run.ts`. The sessions of a workload have
 * sockets that make the frames of Node's host, and send them nowhere. So the system's part of sending is not in it, which
 * is the larger part, and depends on the encoding only by the size.
 */

interface Workload {
  readonly name: string;
  readonly sessions: number;
  /** Publications of a turn, each to all sessions; or one for each session, on a channel of its own. */
  readonly turn: number;
  readonly isScattered: boolean;
  /** Bytes of the JSON of an event. */
  readonly bytes: number;
  readonly turns: number;
}

const workloads: readonly Workload[] = [
  { name: "spread", sessions: 500, turn: 1, isScattered: false, bytes: 200, turns: 3_000 },
  { name: "burst", sessions: 500, turn: 10, isScattered: false, bytes: 200, turns: 1_000 },
  { name: "tokens", sessions: 400, turn: 400, isScattered: true, bytes: 80, turns: 250 },
];
const rounds = 5;

interface Result {
  readonly cpu: number;
  readonly bytes: number;
}

/** A pong in each encoding. */
const pongs = { json: "{}", protobuf: Uint8Array.of(0) };
const greetings = {
  json: (channel: string) => `{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"${channel}"}}`,
  protobuf(channel: string) {
    const name = [...new TextEncoder().encode(channel)];
    const params = [0x0a, name.length, ...name];
    return Uint8Array.of(4, 8, 1, 0x22, 0, 4 + params.length, 8, 2, 0x2a, params.length, ...params);
  },
};

async function measure(workload: Workload, encoding: "json" | "protobuf"): Promise<Result> {
  const { sessions, turn, isScattered, bytes, turns } = workload;
  const notifier = createNotifier({ codecs: [protobufCodec] });
  const frames = new Frames(frameOf);
  let sent = 0;
  for (let at = 0; at < sessions; at++) {
    const session: Session = notifier.accept(
      {
        protocol: encoding === "protobuf" ? protobufCodec.subprotocol : undefined,
        send(data) {
          sent += frames.of(data).length;
          const hasPing = typeof data === "string" ? data.endsWith("{}") : data.at(-1) === 0;
          if (hasPing) queueMicrotask(() => session.receive(pongs[encoding]));
        },
        close: (code) => session.ended(code),
      },
      { user: "", authorize: () => true },
    );
    session.receive(greetings[encoding](isScattered ? `c${at}` : "all"));
  }
  await pause();
  const padding = "x".repeat(bytes - 30);
  let number = 0;
  const turnOnce = async (): Promise<void> => {
    for (let at = 0; at < turn; at++)
      notifier
        .publish(isScattered ? `c${at}` : "all", { n: number++ + 1_000_000, text: padding })
        .catch(() => {});
    await pause();
  };
  for (let at = 0; at < turns / 5; at++) await turnOnce();
  sent = 0;
  const began = process.cpuUsage();
  for (let at = 0; at < turns; at++) await turnOnce();
  const { user, system } = process.cpuUsage(began);
  if (notifier.stats().sessions !== sessions) throw new Error("Cannot measure: sessions were closed");
  const events = turns * turn * (isScattered ? 1 : sessions);
  const result = { cpu: (user + system) / events, bytes: sent / events };
  await notifier.close({ signal: AbortSignal.timeout(100) });
  return result;
}

/** Waits for the turn that sends, and for its pongs. */
async function pause(): Promise<void> {
  for (let at = 0; at < 3; at++) await new Promise((resolve) => setImmediate(resolve));
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

console.log(
  "| row | JSON, bytes an event | Protobuf | JSON, µs of CPU an event | Protobuf |\n|---|---|---|---|---|",
);
for (const workload of workloads) {
  const results = { json: [] as Result[], protobuf: [] as Result[] };
  for (let round = 0; round < rounds; round++)
    for (const encoding of ["json", "protobuf"] as const)
      results[encoding].push(await measure(workload, encoding));
  const cells = (["bytes", "cpu"] as const).flatMap((what) =>
    (["json", "protobuf"] as const).map((encoding) =>
      median(results[encoding].map((result) => result[what])).toFixed(what === "cpu" ? 3 : 1),
    ),
  );
  console.log(`| ${[workload.name, ...cells].join(" | ")} |`);
}
