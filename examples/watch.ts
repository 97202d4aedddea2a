import { Centrifuge } from "centrifuge";

const url = process.argv[2] ?? "http://127.0.0.1:3000";
const answer = await fetch(`${url}/reports`, { method: "POST" });
const { run } = (await answer.json()) as { run: string };

const client = new Centrifuge(`${url.replace("http", "ws")}/notifications`);
const report = client.newSubscription(`run:${run}`, { since: { offset: 0, epoch: "" } }); // from its start
report.on("publication", ({ data }) => {
  console.log(JSON.stringify(data)); // survives reconnects, and goes on where it was
  if (data.type === "run.completed") client.disconnect();
});
report.subscribe();
client.connect();
