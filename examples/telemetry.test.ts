import { type Meter, metrics, trace } from "@opentelemetry/api";
import { createNotifier } from "tocsin";
import { progress } from "tocsin/run";
import { fakeClock, pipe } from "tocsin/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

type Observed = [name: string, value: number, attributes: object];

/** A minimal replacement of an OpenTelemetry SDK that records what the API passes to an SDK. */
const counted: Observed[] = [];
const callbacks: [name: string, callback: (result: object) => void][] = [];
const spans: object[] = [];
const observable = (name: string) => ({
  addCallback: (callback: (result: object) => void) => callbacks.push([name, callback]),
});
const meter = {
  createCounter: (name: string) => ({
    add: (value: number, attributes: object) => counted.push([name, value, attributes]),
  }),
  createObservableGauge: observable,
  createObservableCounter: observable,
} as unknown as Meter;

function collect(): Observed[] {
  const found: Observed[] = [];
  for (const [name, callback] of callbacks)
    callback({ observe: (value: number, attributes: object) => found.push([name, value, attributes]) });
  return found.filter(([, value]) => value > 0);
}

beforeAll(() => {
  metrics.setGlobalMeterProvider({ getMeter: () => meter });
  const startSpan = (name: string, { attributes }: { attributes: object }) => {
    const span = { name, attributes, ended: false };
    spans.push(span);
    return {
      setStatus: (status: object) => Object.assign(span, { status }),
      end: () => Object.assign(span, { ended: true }),
    };
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) } as never);
});
afterAll(() => {
  metrics.disable();
  trace.disable();
});

test("OpenTelemetry gets the owned objects, the totals, the failures, and a span for each run", async () => {
  // Imported after the providers are set, as in a program that starts its SDK first.
  const { countFailure, observe, traced } = await import("./telemetry.ts");
  const clock = fakeClock();
  const rpc = {
    fail() {
      throw new Error("The database is away");
    },
  };
  const notifier = createNotifier({ clock, rpc, onError: countFailure });
  observe(notifier);
  const [ann, bob] = [pipe(notifier), pipe(notifier)];
  ann.send({ id: 1, connect: {} }, { id: 2, rpc: { method: "fail" } });
  bob.send("This is not the protocol");
  const report = notifier.run(
    traced("report", async function* () {
      yield progress(1, 1);
      return "done";
    }),
  );
  const broken = notifier.run(traced("broken", () => Promise.reject(new Error("It broke"))));
  await clock.settle();

  expect(await report.result()).toBe("done");
  await expect(broken.result()).rejects.toThrow("It broke");
  expect(counted).toEqual([["tocsin.failures", 1, { stage: "rpc" }]]);
  expect(collect()).toEqual(
    expect.arrayContaining([
      ["tocsin.owned", 1, { kind: "sessions" }],
      ["tocsin.closed", 1, { key: "3501" }],
      ["tocsin.errors", 1, { key: "100" }],
    ]),
  );
  expect(spans).toEqual([
    { name: "report", attributes: { "tocsin.run": report.id }, ended: true },
    { name: "broken", attributes: { "tocsin.run": broken.id }, status: { code: 2 }, ended: true },
  ]);
  void notifier.close();
  await clock.advance(5_000);
});
