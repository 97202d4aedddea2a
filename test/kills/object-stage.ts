import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Random, random } from "../simulation/random.ts";
import { type Relay, relay } from "../support/relay.ts";
import { type Workerd, workerd } from "../support/workerd.ts";
import { Bell } from "./bell.ts";
import { type Client, own, stock } from "./clients.ts";
import type { Judgement } from "./crash-judge.ts";
import type { ObjectDump } from "./crash-object.ts";
import { nameOf, standing } from "./judge.ts";
import { isSettled, judgeObject, type LifeEnd, type Story } from "./object-judge.ts";
import { ObjectLoad } from "./object-load.ts";

/** What decides how objects are ended. */
export interface ObjectPlan {
  readonly seed: number;
  /** How often they are ended. */
  readonly count: number;
  /** The number of objects, and of the clients of all of them. */
  readonly objects: number;
  readonly clients: number;
}

/** An object, with what works for it and who follows it. */
export interface Place {
  readonly name: string;
  readonly load: ObjectLoad;
  readonly clients: Client[];
}

/** When lives were about to end, and when nothing was left of them. */
export type End = Pick<LifeEnd, "from" | "ended">;

/** Milliseconds after which a wait counts as failed. */
export const patience = 60_000;
/** Milliseconds between two looks at whether everything has come to an end. */
const pause = 200;
/** What a process prints: that an alarm rings, and that objects were aborted. */
const expected = /^(rings|\[?Error: Application called abortAllDurableObjects\(\)\.\]?| {4}at .*|)$/;

/** The objects of one folder, and the processes that serve them one after the other. */
export class ObjectStage {
  readonly random: Random;
  readonly places: Place[];
  readonly lives: LifeEnd[] = [];
  readonly bell: Bell = new Bell();
  readonly wrong: string[] = [];
  readonly #plan: ObjectPlan;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "tocsin-objects-"));
  #relay: Relay | undefined;
  #server: Workerd | undefined;
  #life = 0;

  constructor(plan: ObjectPlan) {
    this.#plan = plan;
    this.random = random(plan.seed);
    this.places = Array.from({ length: plan.objects }, (_, index) => {
      const name = `object${index}`;
      return { name, load: new ObjectLoad(name, this.random), clients: [] };
    });
  }

  get clients(): readonly Client[] {
    return this.places.flatMap(({ clients }) => clients);
  }

  get server(): Workerd {
    return this.#server as Workerd;
  }

  /** Starts a process, to which nobody has a way. */
  async serve(): Promise<Workerd> {
    const entry = fileURLToPath(new URL("crash-object.ts", import.meta.url));
    const objects = { OBJECTS: "CrashObject" };
    this.#server = await workerd({ entry, objects, storage: this.#folder, canEvict: true });
    return this.#server;
  }

  /** Connects the clients. */
  async connect(watches = false): Promise<void> {
    this.#relay = await relay();
    const { port } = new URL(this.#relay.url);
    const { objects, clients } = this.#plan;
    for (let n = 0; n < clients; n++) {
      const place = this.places[n % objects] as Place;
      const url = `ws://127.0.0.1:${port}/objects/${place.name}/`;
      const to = { url, changed: this.bell.ring, isQuick: true, watches: watches && n < objects };
      const isStock = Math.floor(n / objects) % 2 === 0;
      place.clients.push(isStock ? stock(`user${n}`, to) : own(`user${n}`, to, this.random));
    }
  }

  /** Lets the clients in, and begins to work. Returns the time before that. */
  begin(hasEndlessRun: boolean): number {
    const now = Date.now();
    this.#life++;
    const { url } = this.server;
    this.#relay?.lead(url);
    for (const { load } of this.places) load.begin({ url, life: this.#life, hasEndlessRun });
    return now;
  }

  /** Ends the process as a crash does, and closes the way to it. */
  async kill(): Promise<End> {
    const { server } = this;
    const from = Date.now();
    for (const { load } of this.places) load.expectEnd();
    this.#relay?.lead(undefined);
    server.kill("SIGKILL");
    await server.exited;
    const ended = Date.now();
    await Promise.all(this.places.map(({ load }) => load.hangUp()));
    this.#checkOutput();
    return { from, ended };
  }

  /** Ends all objects at once, as the platform may. Their sockets break. */
  async abort(): Promise<End> {
    const from = Date.now();
    for (const { load } of this.places) load.expectEnd();
    await this.post("abort");
    const ended = Date.now();
    await Promise.all(this.places.map(({ load }) => load.hangUp()));
    return { from, ended };
  }

  /** Notes what came after an end. */
  lived(end: End | undefined, contact: number, isSilent = false): void {
    if (end !== undefined) this.lives.push({ ...end, contact, isSilent });
  }

  /** Returns who follows `news` in an object. */
  async present(name: string): Promise<{ session: string; user: string }[]> {
    return (await (await fetch(`${this.server.url}/presence/${name}`)).json()) as never;
  }

  /** Waits until the clients have everything and all has come to an end. Then checks the objects. */
  async judge(): Promise<Judgement> {
    const sum = { resolved: 0, kept: 0, received: 0, runs: 0, lost: 0 };
    const { wrong } = this;
    this.#relay?.lead(this.server.url);
    for (const { name, load, clients } of this.places) {
      const { top } = await this.#dumpOf(name);
      // A client of this project that came after the last publication has no position.
      const hasAll = ({ tracks: [news], isConnected }: Client): boolean =>
        news?.at === undefined ? isConnected : news.at.offset >= top;
      await this.bell.until(() => clients.every(hasAll), patience);
      for (const each of clients) if (!hasAll(each)) wrong.push(`${nameOf(each)} is late: ${standing(each)}`);
      const story = async (): Promise<Story> => {
        const { dump } = await this.#dumpOf(name);
        return { dump, answered: load, clients, lives: this.lives };
      };
      let last = await story();
      for (let waited = 0; waited < patience && !isSettled(last); waited += pause) {
        await sleep(pause);
        last = await story();
      }
      const judged = judgeObject(last);
      wrong.push(...[...judged.wrong, ...load.faults].map((fault) => `${name}: ${fault}`));
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += judged[key];
    }
    this.#checkOutput();
    return { ...sum, wrong };
  }

  async destroy(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    this.#relay?.destroy();
    await this.#server?.[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async post(path: string): Promise<string> {
    const response = await fetch(`${this.server.url}/${path}`, { method: "POST" });
    const text = await response.text();
    if (!response.ok) this.wrong.push(`${path} failed: ${response.status} ${text}`);
    return text;
  }

  async #dumpOf(name: string): Promise<{ dump: ObjectDump; top: number }> {
    const response = await fetch(`${this.server.url}/objects/${name}/dump`);
    const dump = (await response.json()) as ObjectDump;
    return { dump, top: dump.publications.at(-1)?.offset ?? 0 };
  }

  #checkOutput(): void {
    for (const line of this.server.output.split("\n"))
      if (!expected.test(line)) this.wrong.push(`a process printed ${line.slice(0, 300)}`);
  }
}
