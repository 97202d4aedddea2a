import { type TestContext, vi } from "vitest";
import type { HibernatableSocket, ObjectState, ObjectStorage } from "../../src/hosts/cloudflare/platform.ts";
import type { ObjectStorage as SqlStorage } from "../../src/stores/sqlite/object-port.ts";

/** Bytes that the platform keeps with a socket at most. */
const attachmentBytes = 16_384;

/** A socket of an object, which is as strict as that of the platform. */
export class FakeSocket implements HibernatableSocket {
  readyState = 1;
  /** All messages that were sent. */
  readonly sent: string[] = [];
  /** The close frame, once it was sent. */
  closed: { code: number | undefined; reason: string | undefined } | undefined;
  /** What was written to the attachment, in order. */
  readonly written: unknown[] = [];
  /** The error that the next calls throw. */
  fault: Error | undefined;
  #attachment: unknown = null;

  send(data: string | ArrayBuffer | Uint8Array): void {
    if (this.fault !== undefined) throw this.fault;
    if (this.readyState !== 1) throw new TypeError("Can't call WebSocket send() after close().");
    this.sent.push(...String(data).split("\n"));
  }

  close(code?: number, reason?: string): void {
    if (this.fault !== undefined) throw this.fault;
    const isLegal = code === undefined || code === 1000 || code === 1009 || (code >= 3000 && code < 5000);
    if (!isLegal) throw new TypeError(`Invalid WebSocket close code: ${code}.`);
    if (this.readyState === 1) this.closed = { code, reason };
    this.readyState = this.readyState === 1 ? 2 : 3;
  }

  serializeAttachment(value: unknown): void {
    if (this.fault !== undefined) throw this.fault;
    const bytes = sizeOf(value);
    if (bytes > attachmentBytes)
      throw new Error(`A WebSocket 'attachment' cannot be larger than ${attachmentBytes} bytes.`);
    this.written.push(structuredClone(value));
    this.#attachment = structuredClone(value);
  }

  deserializeAttachment(): unknown {
    return structuredClone(this.#attachment);
  }
}

/** Bytes of a value as V8 serialises it, and a little more. */
function sizeOf(value: unknown): number {
  if (typeof value === "string")
    return 5 + (Array.from(value).every((c) => c < "\u0100") ? 1 : 2) * value.length;
  if (typeof value !== "object" || value === null) return 2;
  return Object.entries(value).reduce((sum, [name, each]) => sum + sizeOf(name) + sizeOf(each), 8);
}

/** The state of an object, whose sockets and alarm outlive its memory. */
export interface FakeState extends ObjectState {
  readonly storage: ObjectStorage;
  /** All accepted sockets, with their tags. Those that have closed are gone. */
  readonly sockets: Map<FakeSocket, readonly string[]>;
  /** When the platform last answered a ping of a socket. */
  readonly answeredAt: Map<HibernatableSocket, Date>;
  /** What the alarm was told, in order. */
  readonly alarms: string[];
  alarm: number | null;
  /** The pair that is answered without the object. */
  autoResponse: unknown;
  /** What the object is kept awake for. */
  readonly waiting: Promise<unknown>[];
}

/** Creates a state over the tables of `sql`. Without it, every statement throws. */
export function fakeState(sql?: SqlStorage): FakeState {
  const noSql = (): never => {
    throw new Error("no SQL here");
  };
  const state: FakeState = {
    id: { toString: () => "object" },
    sockets: new Map(),
    answeredAt: new Map(),
    alarms: [],
    alarm: null,
    autoResponse: undefined,
    waiting: [],
    storage: {
      sql: sql?.sql ?? { exec: noSql, databaseSize: 0 },
      transactionSync: (work) => (sql === undefined ? noSql() : sql.transactionSync(work)),
      getAlarm: async () => state.alarm,
      setAlarm: async (time) => {
        if (!(time > 0 && time < Date.UTC(2189, 0)))
          throw new TypeError("This API doesn't support dates after 2189.");
        state.alarms.push(`set ${time}`);
        state.alarm = time;
      },
      deleteAlarm: async () => {
        state.alarms.push("delete");
        state.alarm = null;
      },
    },
    acceptWebSocket: (socket, tags) => void state.sockets.set(socket as FakeSocket, tags),
    getWebSockets: (tag) =>
      [...state.sockets].filter(([, tags]) => tags.includes(tag)).map(([socket]) => socket),
    setWebSocketAutoResponse: (pair) => {
      state.autoResponse = pair;
    },
    getWebSocketAutoResponseTimestamp: (socket) => state.answeredAt.get(socket) ?? null,
    waitUntil: (promise) => void state.waiting.push(promise),
  };
  return state;
}

/** A response as workerd has it: it may switch protocols, and then has the client's end of the socket. */
function responseOf(Original: typeof Response): typeof Response {
  return class extends Original {
    constructor(
      body?: ConstructorParameters<typeof Response>[0],
      init: ResponseInit & { webSocket?: FakeSocket } = {},
    ) {
      const { status = 200, webSocket, ...rest } = init;
      super(body, { ...rest, status: status === 101 ? 200 : status });
      if (status !== 101) return;
      Object.defineProperty(this, "status", { value: 101 });
      Object.defineProperty(this, "webSocket", { value: webSocket });
    }
  };
}

/** What is in the global scope of workerd, until the end of a test. */
export function fakeGlobals({ onTestFinished }: Pick<TestContext, "onTestFinished">): {
  /** The pairs of sockets that were made: the client's, and the object's. */
  readonly pairs: { 0: FakeSocket; 1: FakeSocket }[];
} {
  const pairs: { 0: FakeSocket; 1: FakeSocket }[] = [];
  class WebSocketPair {
    0 = new FakeSocket();
    1 = new FakeSocket();
    constructor() {
      pairs.push(this);
    }
  }
  class WebSocketRequestResponsePair {
    readonly pair: readonly string[];
    constructor(...pair: [request: string, response: string]) {
      this.pair = pair;
    }
  }
  vi.stubGlobal("WebSocketPair", WebSocketPair);
  vi.stubGlobal("WebSocketRequestResponsePair", WebSocketRequestResponsePair);
  vi.stubGlobal("Response", responseOf(Response));
  onTestFinished(() => void vi.unstubAllGlobals());
  return { pairs };
}
