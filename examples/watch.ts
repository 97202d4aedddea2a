import { connect } from "tocsin/client";
import { WebSocket } from "ws"; // only Node 20 needs this; elsewhere, leave out this import and `{ WebSocket }` below

const url = process.argv[2] ?? "http://127.0.0.1:3000";
const answer = await fetch(`${url}/reports`, { method: "POST" });
const { run } = (await answer.json()) as { run: string };

const client = connect(`${url}/notifications`, { WebSocket });
const report = client.run(run);
for await (const { data } of report) console.log(JSON.stringify(data)); // after a reconnect, continues where it was
console.log(JSON.stringify(await report.result()));
await client.close(); // then the process ends by itself
