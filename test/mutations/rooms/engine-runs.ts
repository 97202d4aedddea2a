import { inFile, type Mutation } from "../mutation.ts";

export const engineRuns: readonly Mutation[] = [
  ...inFile("engine/runs/failure", [
    {
      name: "a failing redactor reveals the original error",
      from: 'return { name: "Error", message: "failed" };',
      to: "return describe(error);",
    },
    {
      name: "the redactor is not called",
      from: "const { redact = describe } = context;",
      to: "const redact: typeof describe = describe;",
    },
  ]),
  ...inFile("engine/runs/live-run", [
    {
      name: "a run that the log refused writes an ending",
      from: "if (error instanceof ExistsError) return this.#refuse(error);",
      to: "",
    },
    {
      name: "a refused run stays in the list",
      from: "    this.#observer.refused(this);\n",
      to: "",
    },
    {
      name: "what is held for a run is never released",
      from: "if (await (announcing ?? announce())) this.#record.done();",
      to: "await (announcing ?? announce());",
    },
    {
      name: "a run that others have ended says what its task returned",
      from: "if (isForeign || this.#channel.isStopped) {",
      to: "if (this.#channel.isStopped) {",
    },
    {
      name: "a run that others have ended is held",
      from: "      if (!isLeft && !this.#channel.isStopped) this.#record.release();\n",
      to: "      void isLeft;\n",
    },
    {
      name: "an ending whose answer was lost is not announced",
      from: "const isLeft = (await this.#adopt()) === data && !(await announce());",
      to: "const isLeft = (await this.#adopt()) === data && false;",
    },
    {
      name: "an ending is announced before it is known who has ended the run",
      from: "const announcing = isOfNodes ? undefined : announce();",
      to: "const announcing = announce();",
    },
    {
      name: "the task of a run that is lost is not stopped",
      from: "    abort?.abort(lost);\n",
      to: "    void abort;\n",
    },
    {
      name: "what a run that is lost has queued is written",
      from: "    this.#channel.stop(lost);\n",
      to: "",
    },
    {
      name: "a run that waits for a place is lost with those that have begun",
      from: "    if (this.#starting === undefined) return;\n    const lost",
      to: "    const lost",
    },
    {
      name: "a run that is begun again holds its old record",
      from: "        this.#record.replace();\n",
      to: "",
    },
    {
      name: "what is under way is not waited for before the store is looked at",
      from: "    await this.#starting;\n    if (this.#starting",
      to: "    if (this.#starting",
    },
    {
      name: "a run that the log refused is announced",
      from: "    if (place !== undefined || this.#node !== undefined) await beginning;\n",
      to: "",
    },
    {
      name: "a run may end twice",
      from: 'if (this.status !== "working") return;\n    let data: string;',
      to: "let data: string;",
    },
    {
      name: "an abandoned run gets no ending",
      from: "this.#abandoned = true;\n    await this.#endCancelled();",
      to: "this.#abandoned = true;",
    },
    {
      name: "a cancelled run ends as failed",
      from: "await (signal.aborted ? this.#endCancelled() : this.#end(",
      to: "await (this.#abandoned ? this.#endCancelled() : this.#end(",
    },
    {
      name: "the signal of the caller stays linked after the end of the run",
      from: "this.endTime = this.#context.clock.time();\n    this.#unlink();",
      to: "this.endTime = this.#context.clock.time();",
    },
    {
      name: "a run with a reused id continues in the old channel",
      from: 'this.#begin(mayReplace ? "first" : undefined)',
      to: "this.#begin(undefined)",
    },
    {
      name: "a run whose ending was not written is reported as completed",
      from: "this.#abandoned || this.#channel.ending === undefined ?",
      to: "this.#abandoned ?",
    },
  ]),
  ...inFile("engine/runs/task-events", [
    {
      name: "a yield is rejected when the append queue is full",
      from: "this.#channel.append(this.#accepted(event), exempt)",
      to: "this.#channel.append(this.#accepted(event))",
    },
  ]),
  ...inFile("engine/runs/renewed-run", [
    {
      name: "a run whose id is used by another goes on",
      from: "      run.lose(new",
      to: "      void (new",
    },
    {
      name: "a run that is there is not held again",
      from: "        renewing.hold();\n",
      to: "",
    },
    {
      name: "a run is begun again under an id that somebody else has taken",
      from: "if (state !== undefined && !isSame(storedIn(state), renewing.stored())) {",
      to: "if (state === null) {",
    },
    {
      name: "two runs with one id can be begun again in an empty channel",
      from: 'renewing.begin(top === 0 ? "first" : undefined)',
      to: "renewing.begin(undefined)",
    },
    {
      name: "an ending that is lost is not written again",
      from: "        await renewing.end(ending);\n",
      to: "        void ending;\n",
    },
    {
      name: "an ending is written again where it is",
      from: "    if (sealed === true) {\n",
      to: "    if (sealed === undefined && isOver && !isOver) {\n",
    },
    {
      name: "a run whose ending was found again is held",
      from: "if (isOver) renewing.release();",
      to: "if (isOver) void renewing;",
    },
    {
      name: "an ending that a node loses while it closes is left to nobody",
      from: "if (context.flushing) renewing.leave();",
      to: "if (context.flushing) void renewing;",
    },
  ]),
  ...inFile("engine/runs/kept-endings", [
    {
      name: "the memory of endings has no limit",
      from: "if (this.#bytes <= most) return;",
      to: "if (this.#bytes >= 0) return;",
    },
  ]),
  ...inFile("engine/runs/run-channel", [
    {
      name: "a failure to announce an ending is not reported",
      from: 'this.#context.report(error, "log",',
      to: 'void (error, "log",',
    },
  ]),
  ...inFile("engine/runs/run-registry", [
    {
      name: "an ending is forgotten while the store that has lost it stands still",
      from: "if (ending !== undefined && this.#renewals > 0) this.#late.set(run, ending);",
      to: "void ending;",
    },
    {
      name: "a run of an earlier process is unknown",
      from: "return readStored(this.#context, id, signal);",
      to: "return undefined;",
    },
    {
      name: "a search for a run is given up while the log fails",
      from: "await tryAgain(this.#context, search, () => readStored(this.#context, id))",
      to: "await readStored(this.#context, id)",
    },
    {
      name: "endings that cannot be written again are not reported",
      from: "    if (forgotten === 0) return;\n",
      to: "    if (forgotten >= 0) return;\n",
    },
    {
      name: "any user may cancel a run with an owner",
      from: 'if (facts.asksToCancel ? !isAuthorized : !mayCancel(facts, user)) return "unknown";',
      to: 'if (facts.asksToCancel && !isAuthorized) return "unknown";',
    },
    {
      name: "any user may cancel a run that authorizes cancels",
      from: 'if (facts.asksToCancel ? !isAuthorized : !mayCancel(facts, user)) return "unknown";',
      to: 'if (!facts.asksToCancel && !mayCancel(facts, user)) return "unknown";',
    },
    {
      name: "ended runs never expire",
      from: "const isExpired = run.endedAt <= oldest;",
      to: "const isExpired = run.endedAt === 0;",
    },
    {
      name: "the memory of ended runs has no limit",
      from: "if (!isExpired && this.#bytes <= endedBytes) break;",
      to: "if (!isExpired) break;",
    },
    {
      name: "the old channel is read before the new run with its id has begun",
      from: 'return this.#runs.get(runOfChannel(channel) ?? "")?.begun;',
      to: "return undefined;",
    },
  ]),
  ...inFile("engine/runs/task-context", [
    {
      name: "a generator that has read its signal is still stopped at a yield",
      from: "    this.#isSignalRead = true;\n    return this.#signal;",
      to: "    return this.#signal;",
    },
    {
      name: "a cancelled generator is stopped at every yield",
      from: "    this.#isSignalRead = true;\n    throw this.#signal.reason;",
      to: "    throw this.#signal.reason;",
    },
  ]),
  ...inFile("engine/runs/accepted-event", [
    {
      name: "built-in event types with a schema are not validated",
      from: "(isVocabulary(event.type) && !Object.hasOwn(events, event.type))",
      to: "isVocabulary(event.type)",
    },
    {
      name: "events of a run are not validated",
      from: "return validated(events, event, {",
      to: "return event ?? validated(events, event, {",
    },
    {
      name: "events are accepted after the ending",
      from: 'if (status !== "working") throw',
      to: "if (status === undefined) throw",
    },
    {
      name: "a long progress event is kept in memory",
      from: "if (data.length <= maxKeptLength) return data;",
      to: "return data;",
    },
  ]),
  ...inFile("engine/runs/run-access", [
    {
      name: "any value is accepted as the reason of a cancel",
      from: 'if (reason !== undefined && typeof reason !== "string")',
      to: "if (reason === null)",
    },
    {
      name: "any user may follow a run with an owner",
      from: "if (run.owner !== undefined && run.owner !== user) return false;",
      to: "",
    },
    {
      name: "an unknown run can be distinguished from a run of another user",
      from: 'if (run === undefined || type === "publish") return false;',
      to: 'if (run === undefined) return undefined;\n  if (type === "publish") return false;',
    },
    {
      name: "authorize is not called for a cancel by the owner",
      from: "return run !== undefined && !run.asksToCancel && (",
      to: "return run !== undefined && (",
    },
  ]),
  ...inFile("engine/runs/run-record", [
    {
      name: "a record is released for an ending that the store has lost",
      from: "    this.#records.keep(this.text);\n",
      to: "",
    },
  ]),
  ...inFile("engine/runs/lost-runs", [
    {
      name: "an heir forgets what it has ended when the store is set back",
      from: "if (isKnown && !over.signal.aborted) this.#remember(held);",
      to: "",
    },
    {
      name: "an heir goes on with the ending of a run that the store has lost",
      from: '    this.#withdraw("The store was set back");\n',
      to: "",
    },
  ]),
  ...inFile("engine/runs/lost-run", [
    {
      name: "an heir ends whatever run has the id of the lost one",
      from: "if (isOfNodes) runChannel.isThere(slice.epoch);",
      to: "void isOfNodes;",
    },
    {
      name: "a run that has ended is ended again as lost",
      from: "stored !== undefined && sealed !== true",
      to: "stored !== undefined",
    },
    {
      name: "a later run with the same id is ended as lost",
      from: " && isOfEpoch(position, slice)) {",
      to: " && isOfEpoch(position, { ...slice, epoch: position.epoch })) {",
    },
    {
      name: "a run of another version is released",
      from: "  if (state !== undefined && stored === undefined) return false;\n",
      to: "",
    },
    {
      name: "a lost run whose channel cannot be read is left",
      from: "await tryAgain(context, owner, read)",
      to: "await read()",
    },
    {
      name: "a lost run is ended again in every process",
      from: "  context.records.release(record);\n",
      to: "",
    },
    {
      name: "a lost run is announced to nobody",
      from: "await runChannel.announceEnding(data,",
      to: "await (data,",
    },
  ]),
  ...inFile("engine/runs/stored-runs", [
    {
      name: "a run that is no longer kept is still found",
      from: "return sealed === true && first > top ? undefined : storedIn(state);",
      to: "return sealed === null && first > top ? undefined : storedIn(state);",
    },
    {
      name: "the result of a run is given up while the log fails",
      from: "const slice = await tryAgain(context, owner, read, signal);",
      to: "const slice = await read();",
    },
  ]),
];
