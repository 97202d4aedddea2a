import { ExistsError, SealedError } from "../../src/model/errors.ts";
import type { AppendOptions, Log, Position, ReadOptions, Slice } from "../../src/model/log.ts";
import { appending, type Fault, reading } from "./wrong-logs.ts";

/** Seals a channel, and removes everything that is kept of it, so that it may begin anew. */
const over: AppendOptions = { time: 0, place: "last", retention: { size: 0, slack: 0 } };

/** A log that does something before each append. */
const before =
  (act: (channel: string, options: AppendOptions, slice: Slice) => void): Fault =>
  (log) => ({
    async append(channel, data, options) {
      act(channel, options, await log.read(channel, { limit: 0 }));
      return log.append(channel, data, options);
    },
  });

type Call = Parameters<Log["append"]>;

/** A log that does something when it has refused an append, and then throws, unless it gets a position. */
const refusing =
  (act: (log: Log, call: Call, error: unknown) => Promise<unknown>): Fault =>
  (log) => ({
    async append(...call) {
      try {
        return await log.append(...call);
      } catch (error) {
        const position = await act(log, call, error);
        if (position === undefined) throw error;
        return position as Position;
      }
    },
  });

/** Counts what it refuses: an append with the same writer's number or key gets an answer. */
const countsRefused =
  (name: (options: AppendOptions) => unknown): Fault =>
  (log) => {
    const counted = new Map<string, Position>();
    return {
      async append(channel, data, options) {
        const mark = name(options) === undefined ? "" : JSON.stringify([channel, name(options)]);
        const { epoch, top } = await log.read(channel, { limit: 0 });
        const known = counted.get(mark);
        if (known !== undefined) return known;
        try {
          return await log.append(channel, data, options);
        } catch (error) {
          if (mark !== "") counted.set(mark, { epoch, offset: top });
          throw error;
        }
      },
    };
  };

/** A log that knows the states of its channels by itself. */
const saying =
  (change: (known: string | undefined, options: AppendOptions) => string | undefined): Fault =>
  (log) => {
    const states = new Map<string, string | undefined>();
    return {
      append(channel, data, options) {
        states.set(channel, change(states.get(channel), options));
        return log.append(channel, data, options);
      },
      async read(channel, options) {
        return { ...(await log.read(channel, options)), state: states.get(channel) };
      },
    };
  };

/** A log that still says of a channel what it said before it began anew. */
const remembering =
  (member: "state" | "sealed"): Fault =>
  (log) => {
    const said = new Map<string, unknown>();
    return {
      async append(channel, data, options) {
        const position = await log.append(channel, data, options);
        const is = (await log.read(channel, { limit: 0 }))[member];
        if (is !== undefined) said.set(channel, is);
        return position;
      },
      async read(channel, options) {
        return { [member]: said.get(channel), ...(await log.read(channel, options)) };
      },
    };
  };

/** Remembers keys by itself, for ever. */
const remembersKeys: Fault = (log) => {
  const known = new Map<string, Position>();
  return {
    async append(channel, data, options) {
      const name = JSON.stringify([channel, options.key?.text]);
      const position = known.get(name) ?? (await log.append(channel, data, options));
      if (options.key !== undefined) known.set(name, position);
      return position;
    },
  };
};

/** Says that a channel is sealed once it should be, and accepts more. */
const pretendsToSeal: Fault = (log) => {
  const sealed = new Set<string>();
  return {
    append(channel, data, { place, ...options }) {
      if (place === "last") sealed.add(channel);
      return log.append(channel, data, { ...options, place: place === "first" ? place : undefined });
    },
    async read(channel, options) {
      return { ...(await log.read(channel, options)), sealed: sealed.has(channel) };
    },
  };
};

/** Looks whether a channel has begun, and appends later. */
const looksFirst: Fault = (log) => ({
  async append(channel, data, { place, ...options }) {
    if (place !== "first") return log.append(channel, data, { ...options, place });
    const { top } = await log.read(channel, { limit: 0 });
    await undefined;
    return log.append(channel, data, { ...options, place: top === 0 ? undefined : place });
  },
});

const older = "an older epoch";

/** A log whose epochs continue an older one. `serves` says how far it reads positions of that one. */
const continuing =
  (offset: number, serves: (offset: number) => boolean): Fault =>
  (log) => {
    const meant = ({ after, ...options }: ReadOptions, epoch: string): ReadOptions =>
      after?.epoch === older && serves(after.offset)
        ? { ...options, after: { ...after, epoch } }
        : { ...options, after };
    return {
      async read(channel, options) {
        const { epoch } = await log.read(channel, { limit: 0 });
        const slice = await log.read(channel, meant(options, epoch));
        return slice.top < offset ? slice : { ...slice, lineage: [{ epoch: older, offset }] };
      },
    };
  };

/** A log whose epochs correctly continue an older one. */
export const continues: Fault = continuing(1, (offset) => offset <= 1);

const lineage = (of: (slice: Slice) => readonly Position[]): Fault =>
  reading((slice) => ({ lineage: of(slice) }));

/** Logs that are each wrong in one way about places, states or epochs. The names describe the faults. */
export const wrongPlaces: Readonly<Record<string, Fault>> = {
  "begins a channel anew that is in use": refusing(async (log, [channel, data, options], error) => {
    const { sealed } = await log.read(channel, { limit: 0 });
    if (!(error instanceof ExistsError) || sealed) return undefined;
    await log.append(channel, "0", over);
    return log.append(channel, data, options);
  }),
  "begins a channel anew that is in use and has no entries": refusing(
    async (log, [channel, data, options], error) => {
      const { first, top, sealed } = await log.read(channel, { limit: 0 });
      if (!(error instanceof ExistsError) || sealed || first <= top) return undefined;
      await log.append(channel, "0", over);
      return log.append(channel, data, options);
    },
  ),
  "begins a channel anew that is sealed and has entries": refusing(
    async (log, [channel, data, options], error) => {
      const { sealed } = await log.read(channel, { limit: 0 });
      if (!(error instanceof ExistsError) || sealed !== true) return undefined;
      return log.append(`${channel} again`, data, { ...options, place: undefined });
    },
  ),
  "never begins a channel anew": before((channel, { place }, { sealed }) => {
    if (place === "first" && sealed) throw new ExistsError(channel);
  }),
  "gives the first place to two at once": looksFirst,
  "refuses a repeat in the first place": before((channel, { place }, { first, top, sealed }) => {
    if (place === "first" && top > 0 && !(sealed && first > top)) throw new ExistsError(channel);
  }),
  "appends what it refuses in the first place": refusing(async (log, [channel, data, options], error) => {
    if (error instanceof ExistsError) await log.append(channel, data, { ...options, place: undefined });
  }),
  "refuses the first place with another error": refusing(async (_log, _call, error) => {
    if (error instanceof ExistsError) throw new Error(error.message);
  }),
  "does not seal": appending((options) => ({
    ...options,
    place: options.place === "last" ? undefined : options.place,
  })),
  "says that it is sealed, and is not": pretendsToSeal,
  "does not say that it is sealed": reading(() => ({ sealed: false })),
  "says that it is sealed only while it has entries": reading(({ sealed, first, top }) => ({
    sealed: sealed === true && first <= top,
  })),
  "opens a sealed channel once its entries are gone": refusing(
    async (log, [channel, data, options], error) => {
      const { first, top } = await log.read(channel, { limit: 0 });
      if (!(error instanceof SealedError) || first <= top) return undefined;
      return log.append(channel, data, { ...options, place: "first" });
    },
  ),
  "seals a channel a second time": refusing(async (log, [channel, _, { place }], error) => {
    if (!(error instanceof SealedError) || place !== "last") return undefined;
    const { epoch, top } = await log.read(channel, { limit: 0 });
    return { epoch, offset: top };
  }),
  "refuses a sealed channel with another error": refusing(async (_log, _call, error) => {
    if (error instanceof SealedError) throw new Error(error.message);
  }),
  "refuses a repeat in a sealed channel": before((channel, { place }, { sealed }) => {
    if (place !== "first" && sealed) throw new SealedError(channel);
  }),
  "counts the number of an append that it refuses": countsRefused(({ once }) => once),
  "counts the key of an append that it refuses": countsRefused(({ key }) => key?.text),
  "has the state of before when it begins anew": remembering("state"),
  "is said to be sealed when it begins anew": remembering("sealed"),
  "has the keys of before when it begins anew": remembersKeys,
  "takes no notice of state": appending(({ state, ...options }) => options),
  "keeps the first state that it was given": saying((known, { state }) => known ?? state),
  "forgets a state with the next append": saying((_, { state }) => state),
  "takes the state of an append that it does not make": saying((known, { state, place }) =>
    place === "first" ? state : (state ?? known),
  ),
  "forgets a state with the entries": reading(({ state, first, top }) => ({
    state: first > top ? undefined : state,
  })),
  "has no state after a gap": reading(({ state, gapless }) => ({ state: gapless ? state : undefined })),
  "takes an empty state for none": appending((options) => ({
    ...options,
    state: options.state || undefined,
  })),
  "cuts a state": appending((options) => ({ ...options, state: options.state?.slice(0, 4_000) })),
  "takes no notice of last": (log) => ({
    read: (channel, options) => log.read(channel, { ...options, last: undefined }),
  }),
  "reads the earliest in place of the last": (log) => ({
    read: (channel, { last, ...options }) => log.read(channel, { limit: last, ...options }),
  }),
  "overlooks a gap before the last": (log) => ({
    async read(channel, options) {
      const slice = await log.read(channel, options);
      if (options.last === undefined || slice.gapless) return slice;
      return log.read(channel, { ...options, after: undefined });
    },
  }),
  "does not read what it says that it continues": continuing(1, () => false),
  "reads more of an older epoch than it continues": continuing(1, () => true),
  "continues more of an older epoch than it has": lineage(({ top }) => [{ epoch: older, offset: top + 1 }]),
  "continues its own epoch": lineage(({ epoch }) => [{ epoch, offset: 0 }]),
  "continues the older of two epochs for longer": lineage(({ top }) => [
    { epoch: older, offset: 0 },
    { epoch: `before ${older}`, offset: top },
  ]),
};
