import { inFile, type Mutation } from "../mutation.ts";

export const storesRedis: readonly Mutation[] = [
  ...inFile("stores/redis/channel-script", [
    {
      name: "a server that was set back is not noticed",
      from: "if known == '?' then c.server = server else continue(c) end",
      to: "c.server = server",
    },
    {
      name: "an epoch that continues another one has no lineage",
      from: "c.lineage, c.epoch, c.server = lineage, nextEpoch(), server",
      to: "c.lineage, c.epoch, c.server = '', nextEpoch(), server",
    },
    {
      name: "all positions of an older epoch are taken for good",
      from: "if older == epoch then return offset <= tonumber(last) end",
      to: "if older == epoch then return true end",
    },
    {
      name: "a writer that a store which was set back has forgotten cannot go on",
      from: "c.writers = string.gsub(c.writers, ' 0;', ' 1;')",
      to: "c.writers = string.gsub(c.writers, ' 0;', ' 0;')",
    },
    {
      name: "what has expired is read",
      from: "elseif now - arrival >= ttl then",
      to: "elseif now - arrival < 0 then",
    },
    {
      name: "slack has no limit, in Redis",
      from: "or less - rest + cost * (within - position) > slack",
      to: "",
    },
    {
      name: "the head takes the place of an entry that is kept",
      from: "redis.call('LTRIM', c.key, offset - c.first, -1)",
      to: "redis.call('LTRIM', c.key, offset - c.first + 1, -1)",
    },
    {
      name: "a channel is forgotten with its last entry",
      from: "local need = now + math.max(c.top == 0 and hour or day, c.keyed)",
      to: "local need = now - hour",
    },
  ]),
  ...inFile("stores/redis/write-script", [
    {
      name: "of several entries only the first is appended",
      from: "for _, each in ipairs(entries) do add(c, unpack(each)) end",
      to: "add(c, unpack(entries[1]))",
    },
    {
      name: "an append that is sent again is made again",
      from: "if last == number then return offset end",
      to: "",
    },
    {
      name: "a number that is too high is taken",
      from: "if last and number ~= last + 1 and",
      to: "if last and number < last and",
    },
    {
      name: "a member that is gone can write",
      from: "return found > generation and ('S' .. text(found)) or nil",
      to: "return nil",
    },
    {
      name: "a key is not remembered",
      from: "redis.call('SET', KEYS[key], c.epoch .. ' ' .. offset, 'PX', text(lasts))",
      to: "redis.call('GET', KEYS[key])",
    },
    {
      name: "a sealed channel in Redis takes appends",
      from: "  elseif c.sealed then\n",
      to: "  elseif false then\n",
    },
    {
      name: "a channel that has begun begins again",
      from: "if not c.sealed or visible(c) <= c.top then return nil end",
      to: "",
    },
    {
      name: "an append holds nothing",
      from: "if record then hold(bucket, record, offset .. ' ' .. c.epoch .. ' ' .. name) end",
      to: "",
    },
    {
      name: "holding again takes the record of another member",
      from: "if redis.call('HEXISTS', KEYS[bucket], 'r' .. record) == 0 then hold(bucket, record, where) end",
      to: "hold(bucket, record, where)",
    },
    {
      name: "a member releases what another one holds",
      from: "if held and string.sub(held, 1, #member + 1) == member .. ' ' then",
      to: "if held then",
    },
    {
      name: "an append wakes nobody",
      from: "do redis.call('SPUBLISH', c.key, wake) end",
      to: "do c.last = wake end",
    },
  ]),
  ...inFile("stores/redis/read-script", [
    {
      name: "a read after a gap says nothing of it",
      from: "isGapless = after + 1 >= first and after <= c.top and isOf(c, ARGV[7], after)",
      to: "isGapless = true",
    },
    {
      name: "a read begins one entry late",
      from: "from - c.first + 1, to - c.first + 1)",
      to: "from - c.first + 2, to - c.first + 1)",
    },
  ]),
  ...inFile("stores/redis/member-script", [
    {
      name: "the silence of all counts against each",
      from: "math.min(math.max(now - state.at, 0), lease / 3)",
      to: "(now - state.at)",
    },
    {
      name: "nobody is ever taken for gone",
      from: "if state.counted - each.heard >= lease then",
      to: "if state.counted < 0 then",
    },
    {
      name: "a member that is gone comes back by itself",
      from: "elseif members[id] or not (gone[id] or isSame) then",
      to: "else",
    },
    {
      name: "an heir leaves no fence",
      from: "if found < generation then redis.call('HSET', KEYS[1], 'g', generation) end",
      to: "",
    },
    {
      name: "an heir takes what the living hold",
      from: "    if not members[who] then\n",
      to: "    if who ~= heir then\n",
    },
  ]),
  ...inFile("stores/redis/lane", [
    {
      name: "what has to be sent again is sent after what came later",
      from: "this.#waiting = [...this.#again.splice(0), ...this.#waiting];",
      to: "this.#waiting = [...this.#waiting, ...this.#again.splice(0)];",
    },
    {
      name: "a script that Redis has forgotten fails its appends",
      from: "if (isUnknownScript(error)) {",
      to: "if (isUnknownScript(undefined)) {",
    },
  ]),
  ...inFile("stores/redis/link", [
    {
      name: "a command may wait for ever",
      from: "if (first !== undefined && this.#now() - first.since >= patience)",
      to: "if (first === undefined)",
    },
    {
      name: "an old Redis is used",
      from: "if (version === null || Number(version[1]) >= 7) return;",
      to: "if (version === null || Number(version[1]) >= 1) return;",
    },
  ]),
  ...inFile("stores/redis/subscriptions", [
    {
      name: "nobody wakes after a lost connection",
      from: "    this.#hasMissed = true;\n",
      to: "",
    },
    {
      name: "a subscription that is half dead is kept",
      from: "if (probes.some(([, { sent, received }]) => received < sent)) {",
      to: "if (probes.some(([, { sent, received }]) => received > sent)) {",
    },
  ]),
  ...inFile("stores/redis/redis-log", [
    {
      name: "a member leaves before what it has asked for",
      from: "this.#writer.written().then(() => this.#members.leave(id))",
      to: "this.#members.leave(id)",
    },
  ]),
  ...inFile("stores/redis/writer", [
    {
      name: "an append that was sent waits for ever",
      from: 'else stopWaiting = scope.timer("an answer of Redis", lastWait, give);',
      to: "",
    },
    {
      name: "an append that was sent rejects although it is made",
      from: "if (lane.withdraw(written)) give();",
      to: "if (lane.withdraw(written) || true) give();",
    },
  ]),
  ...inFile("stores/redis/members", [
    {
      name: "a record is inherited twice",
      from: "records.filter(({ record }) => !this.#told.has(record))",
      to: "records.filter(() => true)",
    },
    {
      name: "a member is not told that its store was lost",
      from: "if (isOther) this.renew();",
      to: "",
    },
    {
      name: "a member is not told that it is gone",
      from: 'if (answer.is !== "member") {',
      to: 'if (answer.is === "none") {',
    },
  ]),
  ...inFile("stores/redis/node-redis", [
    {
      name: "a connection that is closed while it is made stays",
      from: "if (isClosed) void attempt(() => client.destroy());",
      to: "",
    },
  ]),
];
