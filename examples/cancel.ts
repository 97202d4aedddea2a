import { CancelError, connect } from "tocsin/client";
import { WebSocket } from "ws"; // only Node 20 needs it

const url = process.argv[2] ?? "http://127.0.0.1:3000";
const answer = await fetch(`${url}/reports`, { method: "POST" });
const { run } = (await answer.json()) as { run: string };

const first = connect(`${url}/notifications`, { WebSocket });
let after = { offset: 0, epoch: "" }; // the start of the run; a page could keep the position in localStorage
for await (const { offset, epoch } of first.run(run)) {
  after = { offset, epoch };
  if (offset === 3) break; // leaving the loop does not cancel the run
}
await first.close();

const second = connect(`${url}/notifications`, { WebSocket }); // later, or in another process
const report = second.run(run, { after });
try {
  for await (const { offset, data } of report) {
    console.log(offset, JSON.stringify(data)); // begins with offset 4
    if (offset === 5) await report.cancel("Not needed any more");
  }
} catch (error) {
  if (!(error instanceof CancelError)) throw error;
  console.log(error.message); // Cancelled by the client: Not needed any more
}
await second.close();
