import type { Fault, NodesWorld } from "./nodes-world.ts";

/** Judges what everybody was told, against what the store had. */
export function judge(world: NodesWorld): void {
  world.truth.look();
  judgeClients(world);
  judgeGaps(world);
  judgeResolved(world);
  judgeKeys(world);
  judgeErrors(world);
}

function judgeClients({ clients, truth }: NodesWorld): void {
  for (const { user, got, steps } of clients) {
    for (const { channel, epoch, offset, data } of got) {
      const meant = truth.at(channel, { epoch, offset });
      if (meant !== data)
        throw new Error(`${user} was sent ${data} as ${offset} of ${channel}, where ${meant} is`);
    }
    // Where it went on from one epoch to another, both have the same up to there.
    for (const { channel, from, epoch } of steps) {
      if (from.epoch === "" || from.epoch === epoch) continue;
      for (let offset = 1; offset <= from.offset; offset++) {
        const [was, is] = [
          truth.at(channel, { epoch: from.epoch, offset }),
          truth.at(channel, { epoch, offset }),
        ];
        // What is trimmed when an epoch begins was never seen in it.
        if (is !== undefined && was !== is)
          throw new Error(
            `${user} went on in ${channel} after ${from.offset}, but ${offset} was ${was}, and is ${is}`,
          );
      }
    }
  }
  for (const { who, channel, epoch, offset, data } of truth.claims) {
    const meant = truth.at(channel, { epoch, offset });
    if (meant !== data) throw new Error(`${who} got ${data} as ${offset} of ${channel}, where ${meant} is`);
  }
}

/** Nobody is told of a gap where the store has everything. */
function judgeGaps({ clients, truth, losses }: NodesWorld): void {
  // Between two looks at a store that loses something, a server may know less than the store has.
  if (losses.length > 0) return;
  for (const { user, gaps } of clients)
    for (const { channel, from, epoch } of gaps) {
      if (channel.startsWith("run:")) continue;
      if (from.epoch === "" || from.epoch === epoch || truth.continues(channel, epoch, from))
        throw new Error(`${user} was told of a gap in ${channel} after ${from.offset}, where there is none`);
    }
}

/** What was resolved is where it was said to be. */
function judgeResolved({ resolved, truth }: NodesWorld): void {
  for (const { channel, position, data, key, node } of resolved) {
    const found = truth.at(channel, position);
    const isSame = key === undefined ? found === data : JSON.parse(found ?? "{}").key === key;
    if (!isSame)
      throw new Error(
        `${node.name} said that ${data} is at ${position.offset} of ${channel}, where ${found} is`,
      );
  }
}

/** In one epoch each publication is once, and each key. */
function judgeKeys({ truth }: NodesWorld): void {
  for (const { channel, texts } of truth.epochs) {
    if (channel.startsWith("\0") || channel === "joined" || channel.startsWith("run")) continue;
    const seen = new Set<string>();
    for (const text of texts.values()) {
      const { n, key } = JSON.parse(text) as { n: number; key?: string };
      const name = key ?? String(n);
      if (seen.has(name)) throw new Error(`${channel} has ${name} twice`);
      seen.add(name);
    }
  }
}

/** Errors are reported only where a fault explains them. */
function judgeErrors({ nodes, shape: { faults, runTtl, lease } }: NodesWorld): void {
  const unreachable = faults.has("cut") || faults.has("long");
  const isAway = unreachable || faults.has("pause");
  const lost = faults.has("rollback") || faults.has("wipe");
  const explained: [RegExp, boolean][] = [
    [/the store cannot be reached/, unreachable],
    [/Cannot announce on .*: the notifier is closed/, isAway],
    [/Cannot write to the log yet/, isAway],
    [/Cannot wait any longer for session .* log/, isAway],
    [/Closed without waiting any longer/, isAway],
    // It was asked for while the node closed.
    [/Closed without waiting any longer for cancel run:/, true],
    [/Closed without waiting any longer for renew the log/, lost],
    [/Cannot release what the log holds: its log is closed/, isAway],
    [
      /The store was set back to an earlier moment, or lost|Cannot renew the log: the endings|what it follows, .*, is lost/,
      lost,
    ],
    // Short cuts may follow one another.
    [/Lost the place in the log|takes it for gone/, unreachable],
    // The ending of a run may be trimmed before an heir looks for it.
    [
      /the log no longer keeps it/,
      lost || (runTtl < 2 * lease && ["kill", "close", "long"].some((each) => faults.has(each as Fault))),
    ],
  ];
  for (const { name, errors } of nodes)
    for (const { error, context } of errors)
      if (!explained.some(([text, isSo]) => isSo && text.test(String(error))))
        throw new Error(`${name} reported ${context.stage} ${context.owner}: ${error}`, { cause: error });
}
