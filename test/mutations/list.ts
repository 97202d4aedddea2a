import type { Mutation } from "./mutation.ts";
import { access } from "./rooms/access.ts";
import { base } from "./rooms/base.ts";
import { client } from "./rooms/client.ts";
import { engineChannels } from "./rooms/engine-channels.ts";
import { engineCommands } from "./rooms/engine-commands.ts";
import { engineCore } from "./rooms/engine-core.ts";
import { engineDelivery } from "./rooms/engine-delivery.ts";
import { engineHub } from "./rooms/engine-hub.ts";
import { engineLog } from "./rooms/engine-log.ts";
import { engineNotifier } from "./rooms/engine-notifier.ts";
import { engineRuns } from "./rooms/engine-runs.ts";
import { engineSessions } from "./rooms/engine-sessions.ts";
import { hosts } from "./rooms/hosts.ts";
import { hostsCloudflare } from "./rooms/hosts-cloudflare.ts";
import { stores } from "./rooms/stores.ts";
import { storesRedis } from "./rooms/stores-redis.ts";
import { storesSqlite } from "./rooms/stores-sqlite.ts";
import { testing } from "./rooms/testing.ts";
import { wire } from "./rooms/wire.ts";

export type { Mutation } from "./mutation.ts";

/** All mutations, grouped by the folder of `src` that they change. */
export const mutations: readonly Mutation[] = [
  ...access,
  ...base,
  ...client,
  ...engineChannels,
  ...engineCommands,
  ...engineCore,
  ...engineDelivery,
  ...engineHub,
  ...engineLog,
  ...engineNotifier,
  ...engineRuns,
  ...engineSessions,
  ...hosts,
  ...hostsCloudflare,
  ...stores,
  ...storesRedis,
  ...storesSqlite,
  ...testing,
  ...wire,
];
