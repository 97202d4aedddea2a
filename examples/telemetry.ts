import { metrics, SpanStatusCode, trace } from "@opentelemetry/api";
import type { ErrorContext, Notifier, Task } from "tocsin";

const meter = metrics.getMeter("tocsin");
const failures = meter.createCounter("tocsin.failures");

/** Counts failures by stage, without personal data. Use it as `createNotifier({ onError: countFailure })`. */
export function countFailure(_error: unknown, { stage }: ErrorContext): void {
  failures.add(1, { stage });
}

/** Registers callbacks that read the notifier's `stats()` and `totals()` at each collection. */
export function observe(notifier: Pick<Notifier, "stats" | "totals">): void {
  meter.createObservableGauge("tocsin.owned").addCallback((result) => {
    for (const [kind, count] of Object.entries(notifier.stats())) result.observe(count, { kind });
  });
  for (const name of ["refused", "closed", "errors", "limits"] as const) {
    meter.createObservableCounter(`tocsin.${name}`).addCallback((result) => {
      for (const [key, count] of Object.entries(notifier.totals()[name])) result.observe(count, { key });
    });
  }
}

/** Wraps a task in a span for the whole run, with the run's id. Use it as `notifier.run(traced("report", task))`. */
export function traced<R>(name: string, task: Task<R>): Task<R> {
  return async function* (context) {
    const span = trace.getTracer("tocsin").startSpan(name, { attributes: { "tocsin.run": context.id } });
    try {
      const made = task(context);
      return yield* Symbol.asyncIterator in made ? made : resultOf(made);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
}

// biome-ignore lint/correctness/useYield: this task yields no events
async function* resultOf<R>(result: Promise<R>): AsyncGenerator<never, R, void> {
  return await result;
}
