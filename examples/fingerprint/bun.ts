import { serve, terminationSignal, upgradeWebSocket } from "tocsin/bun";
import { createApp } from "./app.ts";
import { attend } from "./terminal.ts";

// bun examples/fingerprint/bun.ts

const signal = terminationSignal();
const { app, notifier } = await createApp({ upgradeWebSocket, signal });
await attend(notifier, (port) => serve(app, { notifier, signal, port }));
