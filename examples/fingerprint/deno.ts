import { serve, terminationSignal, upgradeWebSocket } from "tocsin/deno";
import { createApp } from "./app.ts";
import { attend } from "./terminal.ts";

// deno run --allow-net=127.0.0.1 --allow-env=PORT --allow-read examples/fingerprint/deno.ts
// The program needs no other permissions. --allow-read can be limited to the folders to be read and this project.

const signal = terminationSignal();
const { app, notifier } = await createApp({ upgradeWebSocket, signal });
await attend(notifier, (port) => serve(app, { notifier, signal, port }));
