import { CancelError, type ClientStatus, connect, GapError, type ReplyError, RunError } from "tocsin/client";
import type { ProgressEvent } from "tocsin/run";
import type { Stretched } from "./stretch.ts";

const beginning = { offset: 0, epoch: "" };
const texts: Record<ClientStatus, string> = {
  connecting: "Connecting…",
  connected: "Connected",
  waiting: "Not connected: trying again…",
  closed: "Disconnected: reload the page",
};
const shown = new Set<string>();
const client = connect("/notifications", {
  onStatus(status: ClientStatus, why?: ReplyError) {
    byId("state").textContent = texts[status];
    byId("state").title = why?.message ?? "";
  },
});

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void start();
});
void followRuns();

/** Lists the runs that the channel "runs" announces: those of before, and those that any tab starts. */
async function followRuns(): Promise<void> {
  for (let after = beginning; ; ) {
    try {
      for await (const { data } of client.follow("runs", { after })) {
        const { run, name } = data as { run: string; name?: string };
        if (!shown.has(run)) void show(run, name ?? run);
      }
    } catch (error) {
      if (!(error instanceof GapError)) return complain(`The list does not go on: ${messageOf(error)}`);
      after = error.earliest; // what is before it is no longer kept
    }
  }
}

/** Starts a run. The channel "runs" then announces it. */
async function start(): Promise<void> {
  const body = JSON.stringify({ text: inputOf("text").value, rounds: inputOf("rounds").valueAsNumber });
  const headers = { "Content-Type": "application/json" };
  try {
    const response = await fetch("/runs", { method: "POST", headers, body });
    const { problem } = (await response.json()) as { problem?: string };
    complain(problem ?? "");
  } catch {
    complain("The server cannot be reached.");
  }
}

/** Adds a run to the list, and follows it from its start to its end. */
async function show(id: string, name: string): Promise<void> {
  shown.add(id);
  const item = (byId("template") as HTMLTemplateElement).content.cloneNode(true) as DocumentFragment;
  const part = <Name extends "h2" | "p" | "progress" | "button">(tag: Name) =>
    item.querySelector(tag) as HTMLElementTagNameMap[Name];
  const [bar, text, button] = [part("progress"), part("p"), part("button")];
  part("h2").textContent = name;
  byId("runs").prepend(item);
  button.addEventListener("click", () => {
    button.disabled = true;
    void client.run(id).cancel();
  });
  const onEvent = (event: { type: string }): void => {
    if (event.type !== "progress") return;
    const { progress, done, total } = event as ProgressEvent & { done: number; total: number };
    bar.value = progress;
    text.textContent = `${done} of ${total} rounds`;
  };
  const { digest, problem } = await outcomeOf(id, onEvent);
  if (digest !== undefined) bar.value = 1;
  text.textContent = digest ?? problem ?? "";
  button.hidden = true;
}

/** Follows a run, and returns its result, or why there is none. */
async function outcomeOf(
  id: string,
  onEvent: (event: { type: string }) => void,
): Promise<{ digest?: string; problem?: string }> {
  for (let after = beginning; ; ) {
    try {
      const events = client.run<Stretched>(id, { after })[Symbol.asyncIterator]();
      let step = await events.next();
      for (; !step.done; step = await events.next()) onEvent(step.value.data as { type: string });
      return step.value;
    } catch (error) {
      if (!(error instanceof GapError)) return { problem: endingOf(error) };
      after = error.earliest;
    }
  }
}

function endingOf(error: unknown): string {
  if (error instanceof CancelError) return "Cancelled";
  if (error instanceof RunError) return `Failed: ${messageOf(error.cause)}`;
  return `No longer followed: ${messageOf(error)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function complain(problem: string): void {
  byId("problem").textContent = problem;
}

function byId(id: string): HTMLElement {
  return document.getElementById(id) as HTMLElement;
}

function inputOf(id: string): HTMLInputElement {
  return byId(id) as HTMLInputElement;
}
