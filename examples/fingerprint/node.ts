import { serve, terminationSignal, upgradeWebSocket } from "tocsin/node";
import { createApp } from "./app.ts";
import { attend } from "./terminal.ts";

// npm start

const signal = terminationSignal();
const { app, notifier } = await createApp({ upgradeWebSocket, signal });
await attend(notifier, (port) => serve(app, { notifier, signal, port }));
