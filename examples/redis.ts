import { createClient } from "redis";
import { createNotifier } from "tocsin";
import { redisLog } from "tocsin/redis";

const client = createClient({ url: process.env.REDIS_URL ?? "redis://localhost:6379" });
const notifier = createNotifier({ log: redisLog({ client }) });

await notifier.publish("news", "to the clients of all processes");
await notifier.close();
