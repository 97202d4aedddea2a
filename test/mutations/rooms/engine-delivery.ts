import { inFile, type Mutation } from "../mutation.ts";

export const engineDelivery: readonly Mutation[] = [
  ...inFile("engine/delivery/channel-ledger", [
    {
      name: "how far somebody came in one epoch counts for another",
      from: "if (epoch !== this.epoch) return;",
      to: "void epoch;",
    },
    {
      name: "what is under way is given up when the log trims it",
      from: "if (entry.isTrimmed && !this.#isUnderWay(entry))",
      to: "if (entry.isTrimmed)",
    },
    {
      name: "what the log has trimmed is waited for",
      from: "if (entry.position.offset < first) entry.isTrimmed = true;",
      to: "void entry;",
    },
    {
      name: "nobody looks whether the log still holds what is waited for",
      from: "attended(() => context.log.read(this.channel, { limit: 0 }), failed);",
      to: "void [context, failed];",
    },
  ]),
  ...inFile("engine/delivery/confirm-capacity", [
    {
      name: "whoever comes overtakes those who wait for room",
      from: "if (this.#channelFits(waiting.taken(), waiting.bytes)) return false;",
      to: "if (this.#channelFits(waiting.taken(), waiting.bytes)) return true;",
    },
    {
      name: "one more may wait to be confirmed than may",
      from: "taken.confirmed < max &&",
      to: "taken.confirmed <= max &&",
    },
    {
      name: "a run's ending has room for one less than it has",
      from: "this.confirmed > this.#limits.confirmedTotal ||",
      to: "this.confirmed >= this.#limits.confirmedTotal ||",
    },
    {
      name: "whoever waits for room is not told that there is some",
      from: "      taken.bytes -= bytes;\n    }\n    this.#serve();",
      to: "      taken.bytes -= bytes;\n    }",
    },
  ]),
  ...inFile("engine/delivery/confirm", [
    {
      name: "what had no room when closing began is reported, too",
      from: "if (isRefused) context.ledger.givenUp.over(confirmation);\n    else context",
      to: "context",
    },
    {
      name: "a publication that the log never took keeps its room",
      from: "if (isAdmitted && entry === undefined)",
      to: "if (false)",
    },
  ]),
  ...inFile("engine/delivery/delivery-state", [
    {
      name: "what a client that acknowledges has read has arrived",
      from: "discharged: session.acknowledges ? acknowledged : read,",
      to: "discharged: read,",
    },
    {
      name: "what comes to a client that has asked to leave counts as read",
      from: "Math.max(quit ?? window.readOf(proof, cursor), acknowledged)",
      to: "Math.max(window.readOf(proof, cursor), acknowledged)",
    },
    {
      name: "what was published before somebody came counts as theirs",
      from: "(state.since < offset && offset <= state[level])",
      to: "offset <= state[level]",
    },
    {
      name: "what somebody received after they had been away is forgotten",
      from: "    stretches.push(state);\n",
      to: "    if (last === undefined) stretches.push(state);\n",
    },
  ]),
  ...inFile("engine/delivery/given-up", [
    { name: "what closing gives up is not in its report", from: "    this.#rows = [];\n", to: "" },
    {
      name: "a confirmed publication that closing keeps out of the log is not reported",
      from: "if (confirmation.content.isEnding || error instanceof ClosedError)",
      to: "if (confirmation.content.isEnding)",
    },
    {
      name: "an ending that the log refuses is not reported",
      from: "if (confirmation.content.isEnding || error instanceof ClosedError)",
      to: "if (error instanceof ClosedError)",
    },
  ]),
  ...inFile("engine/delivery/ledger", [
    {
      name: "whoever waits for room waits on while closing",
      from: 'if (this.givenUp.isClosing) return Promise.reject(closed("publish"));',
      to: "",
    },
    {
      name: "a confirmed publication that has arrived keeps its room",
      from: "this.release(deliveries.channel, ",
      to: "void (deliveries.channel, ",
    },
    {
      name: "a run's ending takes room from others",
      from: "return isEnding ? this.#endings : this.#capacity;",
      to: "return isEnding ? this.#capacity : this.#capacity;",
    },
    {
      name: "nobody is told in time of a publication that expires",
      from: "    this.#lookAround(entry);\n    this.#expiries.arm();\n    return entry;",
      to: "    this.#lookAround(entry);\n    return entry;",
    },
    {
      name: "closing leaves those waiting who wait for room",
      from: 'this.#capacity.refuse(closed("publish"));',
      to: "",
    },
    {
      name: "nothing is remembered of those who left",
      from: "if (cursor > proof.since) this.departed.add(channel.name, epoch, deliveryStateOf(subscription));",
      to: "void cursor;",
    },
    {
      name: "nobody is watched who was sent a publication before it was waited for",
      from: "if (subscription.cursor >= position.offset) subscription.session.track(subscription);",
      to: "void subscription;",
    },
    {
      name: "what waits in a channel whose log began anew is waited for",
      from: 'for (const entry of [...deliveries.entries.values()]) this.giveUp(entry, "trimmed");\n      deliveries.epoch = epoch;',
      to: "deliveries.epoch = epoch;",
    },
  ]),
  ...inFile("engine/delivery/missed-notices", [
    {
      name: "somebody is told again within five seconds",
      from: "(known?.at ?? 0) >= interval;",
      to: "(known?.at ?? 0) >= 0;",
    },
    {
      name: "somebody who was told is never told again",
      from: "if (known === undefined ? this.#sent.size >= maxNotices : !isOver) return undefined;",
      to: "if (known === undefined ? this.#sent.size >= maxNotices : !isOver) return undefined;\n    this.begin = () => undefined;",
    },
    {
      name: "what is owed is never said",
      from: "this.#context.wheel.set(notice, notice.at + interval);",
      to: "",
    },
    {
      name: "whoever was held up for a moment is told",
      from: "if (behind === undefined || clock.now() - behind.since < late) return;",
      to: "if (behind === undefined) return;",
    },
    {
      name: "what was told is kept until somebody is told again",
      from: "    this.#rest(notice);\n    return {",
      to: "    notice.at = this.#context.clock.now();\n    return {",
    },
  ]),
  ...inFile("engine/delivery/send-window", [
    { name: "a window is never full", from: "return this.#size - this.#inFlight;", to: "return this.#size;" },
    {
      name: "a window counts only replies",
      from: "    this.#queued += bytes;\n",
      to: "    if (!areData) this.#queued += bytes;\n",
    },
    {
      name: "a window counts only publications",
      from: "    this.#queued += bytes;\n",
      to: "    if (areData) this.#queued += bytes;\n",
    },
    {
      name: "a pong without a ping is accepted",
      from: "if (!this.hasPing) return false;",
      to: "if (!this.hasPing) return true;",
    },
    {
      name: "a pong proves what was sent after its ping",
      from: "this.#proven = this.#barrier;",
      to: "this.#proven = this.#sent;",
    },
    {
      name: "what was sent with an unanswered ping is reported as read",
      from: "if (proof.barrier <= this.#pongs) return cursor;",
      to: "if (proof.barrier <= this.#pings) return cursor;",
    },
    {
      name: "what came with a recovery is reported as read",
      from: "const barrier = cursor > after ? this.#pings + 1 : 0;",
      to: "const barrier = 0;",
    },
    {
      name: "a publication larger than the window waits until replies are read, too",
      from: "return this.#publications > this.#proven;",
      to: "return this.#publications > this.#proven || this.#inFlight > 0;",
    },
    {
      name: "a publication larger than the window takes the room of replies",
      from: "this.#excess = Math.min(bytes, Math.max(0, -this.room));",
      to: "",
    },
  ]),
  ...inFile("engine/delivery/tracking", [
    {
      name: "nobody asks whether what a receipt waits for was read",
      from: "if (subscription.channel.deliveries?.wantsReading(subscription)) return true;",
      to: "void subscription;",
    },
  ]),
];
