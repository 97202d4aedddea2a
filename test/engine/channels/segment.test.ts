import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cut, encodeSegments, publications, type Segment } from "../../../src/engine/channels/segment.ts";
import type { Entry } from "../../../src/model/log.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";
import { unit } from "../../support/texts.ts";

const encoder = new TextEncoder();
const bytesOf = (text: string): number => encoder.encode(text).length;

/** Consecutive entries with any text, from any offset on. */
const entries = fc
  .tuple(fc.nat(1_000), fc.array(fc.string({ unit, maxLength: 30 }), { minLength: 1, maxLength: 12 }))
  .map(([before, texts]) =>
    texts.map((text, at): Entry => ({ offset: before + at + 1, data: JSON.stringify(text), time: at })),
  );
const channel = fc.string({ unit, maxLength: 10 });
/** Bytes available: none, a few, or more than all entries need. */
const room = fc.integer({ min: -10, max: 1_500 });

const pushOf = (name: string, entry: Entry): string => jsonCodec.pub(jsonCodec.pubHead(name), entry);

/** Encodes all entries as one segment. */
function whole(name: string, list: Entry[]): Segment {
  const [segment, ...rest] = encodeSegments(
    jsonCodec,
    jsonCodec.pubHead(name),
    list,
    Number.POSITIVE_INFINITY,
  );
  expect(rest).toEqual([]);
  return segment as Segment;
}

/** Returns how many of the texts, joined with newlines, fit into `bytes`. */
function fitting(texts: string[], bytes: number): number {
  let count = 0;
  while (count < texts.length && bytesOf(texts.slice(0, count + 1).join("\n")) <= bytes) count++;
  return count;
}

describe("encodeSegments", () => {
  test("splits entries into consecutive segments, each of one entry or within the bound, and as full as can be", () => {
    fc.assert(
      fc.property(channel, entries, fc.integer({ min: 1, max: 1_500 }), (name, list, maxBytes) => {
        const segments = encodeSegments(jsonCodec, jsonCodec.pubHead(name), list, maxBytes);
        expect(segments.map(({ text }) => text).join("\n")).toBe(
          list.map((entry) => pushOf(name, entry)).join("\n"),
        );
        let next = list[0]?.offset;
        for (const [at, { first, last, text, bytes }] of segments.entries()) {
          expect(first).toBe(next);
          next = last + 1;
          expect(text.split("\n")).toHaveLength(last - first + 1);
          expect(bytes).toBe(bytesOf(text));
          expect(bytes <= maxBytes || first === last).toBe(true);
          const following = segments[at + 1]?.text.split("\n")[0];
          if (following !== undefined) expect(bytesOf(`${text}\n${following}`)).toBeGreaterThan(maxBytes);
        }
        expect(next).toBe((list.at(-1)?.offset ?? 0) + 1);
      }),
    );
  });

  test("makes no segments from no entries", () => {
    expect(encodeSegments(jsonCodec, "", [], 100)).toEqual([]);
  });
});

describe("cut", () => {
  test("takes all that follows an offset when it fits", () => {
    fc.assert(
      fc.property(channel, entries, fc.nat(), fc.boolean(), (name, list, skip, atLeastOne) => {
        const from = skip % list.length;
        const texts = list.slice(from).map((entry) => pushOf(name, entry));
        const text = texts.join("\n");
        const after = (list[from] as Entry).offset - 1;
        expect(cut(whole(name, list), after, bytesOf(text), atLeastOne)).toEqual({
          text,
          bytes: bytesOf(text),
          last: list.at(-1)?.offset,
        });
      }),
    );
  });

  test("otherwise takes nothing, or, when at least one is wanted, as many as fit and one in any case", () => {
    fc.assert(
      fc.property(channel, entries, fc.nat(), room, (name, list, skip, bytes) => {
        const from = skip % list.length;
        const texts = list.slice(from).map((entry) => pushOf(name, entry));
        const after = (list[from] as Entry).offset - 1;
        const count = fitting(texts, bytes);
        const segment = whole(name, list);
        if (count < texts.length) expect(cut(segment, after, bytes, false)).toBeUndefined();
        const taken = Math.max(1, count);
        const text = texts.slice(0, taken).join("\n");
        expect(cut(segment, after, bytes, true)).toEqual({ text, bytes: bytesOf(text), last: after + taken });
      }),
      { numRuns: 1_000 },
    );
  });

  test("called again and again returns everything, for any room", () => {
    fc.assert(
      fc.property(channel, entries, fc.array(room, { minLength: 1 }), (name, list, rooms) => {
        const segment = whole(name, list);
        const texts: string[] = [];
        let after = segment.first - 1;
        for (let step = 0; after < segment.last; step++) {
          const piece = cut(segment, after, rooms[step % rooms.length] as number, true);
          expect(piece?.last).toBeGreaterThan(after);
          after = piece?.last as number;
          texts.push(piece?.text as string);
        }
        expect(texts.join("\n")).toBe(segment.text);
      }),
    );
  });
});

describe("publications", () => {
  test("takes as many as fit, counted with the push that each was encoded in, without that push", () => {
    fc.assert(
      fc.property(channel, entries, fc.nat(), room, (name, list, skip, bytes) => {
        const from = skip % list.length;
        const texts = list.slice(from).map((entry) => jsonCodec.publication(entry));
        const sizes = list.slice(from).map((entry) => bytesOf(pushOf(name, entry)));
        let count = 0;
        let sum = 0;
        while (count < sizes.length && sum + (sizes[count] as number) <= bytes)
          sum += sizes[count++] as number;
        expect(publications(whole(name, list), (list[from] as Entry).offset - 1, bytes)).toEqual({
          texts: texts.slice(0, count),
          bytes: sum,
        });
      }),
      { numRuns: 1_000 },
    );
  });
});
