import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

/** The results of the suite on one runtime. */
export interface Results {
  passed: number;
  /** The failed tests by name, and errors outside of tests. */
  failed: string[];
  /** The skipped tests, by name and reason. */
  skipped: string[];
}

/** The start of the line that carries the results to the runner. */
export const mark = "tocsin-results ";

/** Prints each failure in full when it happens, and the results in one line at the end. */
export default class RunnerReporter implements Reporter {
  #vitest: Vitest | undefined;
  readonly #results: Results = { passed: 0, failed: [], skipped: [] };

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state === "passed") this.#results.passed++;
    else if (result.state === "skipped") this.#results.skipped.push(`${nameOf(test)}${whyOf(result)}`);
    else this.#fail(nameOf(test), result.errors ?? [], test);
  }

  onTestSuiteResult(suite: TestSuite): void {
    if (suite.errors().length > 0) this.#fail(nameOf(suite), suite.errors(), suite);
  }

  onTestModuleEnd(module: TestModule): void {
    if (module.errors().length > 0) this.#fail(module.relativeModuleId, module.errors(), module);
  }

  onUserConsoleLog(log: { content: string }): void {
    process.stdout.write(log.content);
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly object[]): void {
    for (const error of unhandled) this.#fail("error outside of any test", [error], undefined);
    process.stdout.write(`${mark}${JSON.stringify(this.#results)}\n`);
  }

  #fail(name: string, errors: readonly object[], from: TestCase | TestSuite | TestModule | undefined): void {
    this.#results.failed.push(name);
    this.#vitest?.logger.error(`\nFAILED ${name}`);
    const options = from === undefined ? {} : { project: from.project };
    for (const error of errors) this.#vitest?.logger.printError(error, options);
  }
}

function nameOf(test: TestCase | TestSuite): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}

/** Returns why a test was skipped, if its name does not tell. */
function whyOf({ note }: { readonly note: string | undefined }): string {
  return note === undefined ? "" : ` (${note})`;
}
