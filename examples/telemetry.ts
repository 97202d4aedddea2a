import { metrics, SpanStatusCode, trace } from "@opentelemetry/api";
import type { ErrorContext, Notifier, Task } from "tocsin";

const meter = metrics.getMeter("tocsin");
const failures = meter.createCounter("tocsin.failures");

/** `createNotifier({ onError: countFailure })`: what failed, by stage, and nothing of what it was about. */
export function countFailure(_error: unknown, { stage }: ErrorContext): void {
  failures.add(1, { stage });
}

/** Has every collection read what the notifier owns, and what has happened in it. */
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

/** `notifier.run(traced("report", task))`: a span for the whole of a run, with its id. */
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

// biome-ignore lint/correctness/useYield: a task without events of its own
async function* resultOf<R>(result: Promise<R>): AsyncGenerator<never, R, void> {
  return await result;
}
