import { setTimeout as sleep } from "node:timers/promises";
import { ObjectStage } from "./object-stage.ts";
const at = Number(process.argv[2]);
const stage = new ObjectStage({ seed: 1, count: 1, objects: 6, clients: 0 });
const now = () => new Date().toISOString().slice(17);
await stage.serve();
const { url } = stage.server;
for (const { name } of stage.places) await fetch(`${url}/objects/${name}/run`, { method: "POST", body: JSON.stringify({ id: `r${name}`, pauses: [5000], isEndless: true }) });
console.log(now(), "begun");
while (!stage.server.output.includes("rings")) await sleep(2);
console.log(now(), "rings");
await sleep(at);
const ended = await stage.kill();
console.log(now(), "killed", stage.server.output.split("\n").length - 1);
await stage.serve();
await sleep(33000);
console.log(now(), "contact", stage.server.output.split("\n").length - 1);
const contact = Date.now();
for (const { name } of stage.places) {
  const dump = await (await fetch(`${stage.server.url}/objects/${name}/dump`)).json() as any;
  console.log(name, JSON.stringify(dump.times), (Object.values(dump.times)[0] as any).ended < contact, dump.lives.map((l: number) => l - ended.ended));
}
await stage.destroy();
