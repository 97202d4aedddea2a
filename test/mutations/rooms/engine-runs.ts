import { inFile, type Mutation } from "../mutation.ts";

export const engineRuns: readonly Mutation[] = [
  ...inFile("engine/runs/failure", [
    {
      name: "a redactor that fails shows what it was to hide",
      from: 'return { name: "Error", message: "failed" };',
      to: "return describe(error);",
    },
    {
      name: "nobody asks the redactor",
      from: "const { redact = describe } = context;",
      to: "const redact: typeof describe = describe;",
    },
  ]),
  ...inFile("engine/runs/live-run", [
    {
      name: "events of a vocabulary pass their own schema",
      from: "(isVocabulary(event.type) && !Object.hasOwn(events, event.type))",
      to: "isVocabulary(event.type)",
    },
    {
      name: "a run emits past the schemas",
      from: "return validated(events, event, {",
      to: "return event ?? validated(events, event, {",
    },
    {
      name: "a run may end twice",
      from: 'if (this.status !== "working") return;\n    let data: string;',
      to: "let data: string;",
    },
    {
      name: "a run that is given up gets no ending",
      from: "this.#abandoned = true;\n    await this.#endCancelled();",
      to: "this.#abandoned = true;",
    },
    {
      name: "events are taken after the ending",
      from: 'if (this.status !== "working") throw new ClosedError(',
      to: "if (this.status === undefined) throw new ClosedError(",
    },
    {
      name: "a run that was cancelled ends as failed",
      from: "await (signal.aborted ? this.#endCancelled() : this.#end(",
      to: "await (this.#abandoned ? this.#endCancelled() : this.#end(",
    },
    { name: "a run listens to its caller's signal after its end", from: "    this.#unlink();\n", to: "" },
    {
      name: "a long run's first events go before its last",
      from: "runTtl + this.endedAt - this.#startedAt",
      to: "runTtl",
    },
    {
      name: "a run whose id was used before goes on in the old one's channel",
      from: 'this.#begin(mayReplace ? "first" : undefined)',
      to: "this.#begin(undefined)",
    },
    {
      name: "a run whose ending could not be written is said to have completed",
      from: "this.#abandoned || this.#channel.ending === undefined ?",
      to: "this.#abandoned ?",
    },
    {
      name: "a long result is kept with its run",
      from: "if (data.length <= maxKeptLength) this.#text = data;",
      to: "this.#text = data;",
    },
    {
      name: "any progress is kept whole",
      from: "if (data.length <= maxKeptLength) return data;",
      to: "return data;",
    },
    {
      name: "a yield is refused where too much waits",
      from: "this.#channel.append(this.#accepted(event), exempt)",
      to: "this.#channel.append(this.#accepted(event))",
    },
    {
      name: "anything is a reason",
      from: 'if (reason !== undefined && typeof reason !== "string")',
      to: "if (reason === null)",
    },
  ]),
  ...inFile("engine/runs/run-channel", [
    {
      name: "nobody hears that the announcement of an ending is lost",
      from: 'this.#context.report(error, "log",',
      to: 'void (error, "log",',
    },
  ]),
  ...inFile("engine/runs/run-registry", [
    {
      name: "anybody cancels a run that has an owner",
      from: 'if (run.asksToCancel ? !isAuthorized : !this.isCancelledBy(user, id)) return "unknown";',
      to: 'if (run.asksToCancel && !isAuthorized) return "unknown";',
    },
    {
      name: "anybody cancels a run that asks who may",
      from: 'if (run.asksToCancel ? !isAuthorized : !this.isCancelledBy(user, id)) return "unknown";',
      to: 'if (!run.asksToCancel && !this.isCancelledBy(user, id)) return "unknown";',
    },
    {
      name: "the owner of a run that asks who may cancel it is not asked about",
      from: "return run !== undefined && !run.asksToCancel && (",
      to: "return run !== undefined && (",
    },
    {
      name: "anybody follows a run that has an owner",
      from: "if (run.owner !== undefined && run.owner !== user) return false;",
      to: "",
    },
    {
      name: "a run that is not there can be told from one that is another's",
      from: 'if (run === undefined || type === "publish") return false;',
      to: 'if (run === undefined) return undefined;\n    if (type === "publish") return false;',
    },
    {
      name: "a run is remembered for ever",
      from: "const isExpired = run.endedAt <= oldest;",
      to: "const isExpired = run.endedAt === 0;",
    },
    {
      name: "any number of ended runs is remembered",
      from: "if (!isExpired && this.#bytes <= endedBytes) break;",
      to: "if (!isExpired) break;",
    },
    {
      name: "an old run is read before the new one of its id has begun",
      from: 'return this.#runs.get(runOfChannel(channel) ?? "")?.begun;',
      to: "return undefined;",
    },
  ]),
  ...inFile("engine/runs/task-context", [
    {
      name: "a generator that asks for its signal is stopped at a yield all the same",
      from: "    this.#isSignalRead = true;\n    return this.#signal;",
      to: "    return this.#signal;",
    },
    {
      name: "a generator that is stopped at a yield is stopped at each",
      from: "    this.#isSignalRead = true;\n    throw this.#signal.reason;",
      to: "    throw this.#signal.reason;",
    },
  ]),
];
