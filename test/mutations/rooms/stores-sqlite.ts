import { inFile, type Mutation } from "../mutation.ts";

export const storesSqlite: readonly Mutation[] = [
  ...inFile("stores/bounds", [
    {
      name: "functions of the user are asked for reserved names",
      from: 'channel.startsWith("\\0") ? reserved : users',
      to: "channel === String(number) ? reserved : users",
    },
  ]),
  ...inFile("stores/sqlite/channel", [
    {
      name: "a wake that throws fails the commit",
      from: "} catch {}",
      to: "} finally {\n  }",
    },
    {
      name: "a row that was written is trimmed only when the old one would be",
      from: "    this.calm = -Infinity;\n",
      to: "",
    },
  ]),
  ...inFile("stores/sqlite/channel-row", [
    {
      name: "a renewed channel keeps its epoch",
      from: "epoch: epochIn(stamp, name), stamp",
      to: "stamp",
    },
    {
      name: "a renewed channel forgets the epochs before the last",
      from: "[{ offset, epoch }, ...lineage].slice(0, maxLineage)",
      to: "[{ offset, epoch }]",
    },
    {
      name: "the lineage of a channel has no bound",
      from: "...lineage].slice(0, maxLineage)",
      to: "...lineage]",
    },
    {
      name: "what a publication costs does not count in the total",
      from: "total - base + (top + 1 - first) * entryCost",
      to: "total - base",
    },
    {
      name: "a channel is forgotten an hour early",
      from: "Math.ceil((used + positionTtl) / hour) * hour",
      to: "Math.floor((used + positionTtl) / hour) * hour - hour",
    },
    {
      name: "a channel whose ttl is endless is never looked at",
      from: "Math.min(Math.max(nextDue(row), now + pause), now + positionTtl)",
      to: "Math.max(nextDue(row), now + pause)",
    },
  ]),
  ...inFile("stores/sqlite/channel-table", [
    {
      name: "a channel gets an id that is in use",
      from: 'this.#port.rows("SELECT 1 FROM tocsin_channels WHERE id = ?", id).length === 0',
      to: "id > 0",
    },
    { name: "ids grow beyond 32 bits", from: "if (this.#nextId > maxId) this.#nextId = 1;", to: "" },
    {
      name: "a change of state, seal or epoch is not written",
      from: "if (row.traits !== before.traits)",
      to: "if (row.id < 0)",
    },
    {
      name: "an endless bound is stored as none",
      from: "return bound === Infinity ? -1 : bound;",
      to: "return bound === Infinity ? null : bound;",
    },
    {
      name: "a function that fails for a channel fails the upkeep of all",
      from: "      return { name, row: this.#row(name, row, endless) };",
      to: "      return { name, row: this.#row(name, row) };",
    },
    {
      name: "a change of the numbers is written only with another one",
      from: "if (numbers.some((name) => row[name] !== before[name]))",
      to: "if (row.floor !== before.floor)",
    },
    {
      name: "when the oldest entry was appended is not written",
      from: "    if (oldest !== before.oldest) changed += values.push(oldest) && 4;\n",
      to: "",
    },
  ]),
  ...inFile("stores/sqlite/channels", [
    {
      name: "all channels stay in memory for ever",
      from: "if (++this.#idleCount <= this.#parts.maxIdle) return;",
      to: "if (++this.#idleCount > 0) return;",
    },
    {
      name: "watched channels are dropped from memory",
      from: "if (channel.isWatched || channel.draft !== undefined) return;",
      to: "if (channel.draft !== undefined) return;",
    },
    {
      name: "unknown channels do not continue what they had before the renewal",
      from: "lineage: older, given",
      to: "lineage: [], given",
    },
  ]),
  ...inFile("stores/sqlite/chunk-text", [
    {
      name: "the time of an append is lost in a chunk",
      from: "time: time ?? arrived",
      to: "time: time === null ? 0 : arrived",
    },
    {
      name: "endless times are lost in a chunk",
      from: 'return value > 0 ? "1e999" : "-1e999";',
      to: 'return value > 0 ? "1e99" : "-1e99";',
    },
  ]),
  ...inFile("stores/sqlite/chunks", [
    {
      name: "chunks grow without an end",
      from: "const small = { count: 64, bytes: 8_192 };",
      to: "const small = { count: 64_000, bytes: 8_192_000 };",
    },
    {
      name: "a commit is one chunk, however large",
      from: "const large = { count: 128, bytes: 32_768 };",
      to: "const large = { count: 128_000, bytes: 32_768_000 };",
    },
    {
      name: "a chunk is extended beyond 32 bits",
      from: "return fits && offset % span > first % span ? extended : undefined;",
      to: "return fits && offset > first ? extended : undefined;",
    },
    {
      name: "a chunk begins before 32 bits, and ends behind",
      from: "(isFull || entry.offset % span === 0)",
      to: "(isFull || entry.offset < 0)",
    },
    {
      name: "a chunk is removed together with what is kept in it",
      from: ") + count <= ?`",
      to: ") < ?`",
    },
    {
      name: "what was added to a chunk is not found in the next life",
      from: "if (end <= top) return end === top ? { ...row, open } : row;",
      to: "if (end >= 0) return row;",
    },
    {
      name: "when a channel was used last is not found in the next life",
      from: ", used: Number(newest.arrived) };",
      to: " };",
    },
    {
      name: "all of a chunk is read",
      from: "if (entry.offset >= from && entry.offset <= to) entries.push(entry);",
      to: "entries.push(entry);",
    },
    {
      name: "a payload with a line break is held",
      from: 'return !data.includes("\\n");',
      to: 'return data !== "\\n";',
    },
    {
      name: "what was added to chunks does not count in the next life",
      from: ", 0) + 1 - c.first",
      to: ", 0) * 0 + 1 - c.first",
    },
  ]),
  ...inFile("stores/sqlite/commit", [
    {
      name: "memory changes before the transaction has succeeded",
      from: "    if (channel !== undefined) this.#after.set(channel, { row, written: row });\n",
      to: "    if (channel !== undefined) {\n      channel.set(row);\n      this.#after.set(channel, { row, written: row });\n    }\n",
    },
    {
      name: "a channel that begins anew keeps its old entries",
      from: "      entries.remove(written.id, written.floor, written.top);\n",
      to: "",
    },
    {
      name: "a channel that begins anew keeps its writers and keys, in SQLite",
      from: "      repeats.clear(written.id);\n",
      to: "",
    },
    {
      name: "a channel that is forgotten keeps its epoch for others",
      from: "    this.isForgetful = true;\n",
      to: "",
    },
    {
      name: "every entry leaves the table in a statement of its own",
      from: "least: 64, most: 4_096",
      to: "least: 1, most: 4_096",
    },
    {
      name: "a commit removes any number of entries",
      from: "least: 64, most: 4_096",
      to: "least: 64, most: Infinity",
    },
    {
      name: "a channel is not trimmed by its own commit",
      from: "this.prune(trimmed(row, this.now, entries), removed.least",
      to: "this.prune(row, removed.least",
    },
    {
      name: "entries are counted twice in the total",
      from: "this.cost += costOf(next) - (written === undefined ? 0 : costOf(written));",
      to: "this.cost += costOf(next);",
    },
    {
      name: "a chunk that was removed is extended",
      from: "open: isOpen ? open : undefined",
      to: "open: isOpen ? open : row.open",
    },
    {
      name: "the row of an empty channel stays while it is filled",
      from: " && !isEmpty(written);",
      to: " && written.id > 0;",
    },
    {
      name: "the row stays though what holds for the channel changes",
      from: "const isSame = traits === written.traits && floor",
      to: "const isSame = traits !== undefined && floor",
    },
    {
      name: "the row stays though entries were removed",
      from: " && floor === written.floor;",
      to: " && floor > 0;",
    },
    {
      name: "what is added to a chunk does not count in the total",
      from: "    this.cost += costOf(written) - costOf(before);\n",
      to: "",
    },
  ]),
  ...inFile("stores/sqlite/database", [
    {
      name: "what a failed commit wrote stays",
      from: "      this.#rollBack();\n",
      to: "",
    },
    {
      name: "a commit waits for locks",
      from: 'this.#once("PRAGMA busy_timeout = 0");',
      to: 'this.#once("PRAGMA busy_timeout = 40000");',
    },
    {
      name: "an error that lasts is tried again",
      from: "    if (error.lasting) this.broken = error;\n",
      to: "",
    },
    {
      name: "a commit is not on the disk when it returns",
      from: 'isFull ? "FULL" : "NORMAL"',
      to: '"NORMAL"',
    },
  ]),
  ...inFile("stores/sqlite/database-log", [
    {
      name: "an append after a lasting error is gathered",
      from: "else if (error instanceof LogError && error.lasting) this.#drop();",
      to: "",
    },
    {
      name: "records can be held before join",
      from: "if (options.hold !== undefined && this.#member === undefined)",
      to: "if (options.hold === name)",
    },
    {
      name: "a commit does not look whether this process is the owner",
      from: "      this.#owner.fence();\n      commit.write",
      to: "      commit.write",
    },
    {
      name: "the watchers are woken twice",
      from: "    this.#gathering.clear();\n    for (const channel of changed)",
      to: "    for (const channel of changed)",
    },
    {
      name: "disposal commits what is gathered",
      from: "    this.#isClosed = true;\n    this.#member = undefined;\n",
      to: "    this.commit();\n    this.#isClosed = true;\n    this.#member = undefined;\n",
    },
    {
      name: "disposal leaves the timer",
      from: '    this.#scope.end(new ClosedError("Cannot go on: the log is closed"));\n',
      to: "",
    },
    {
      name: "disposal keeps the database",
      from: "    this.#owner.release();\n",
      to: "",
    },
    {
      name: "a process that waits trusts what it remembers",
      from: "const { head, isSure } = this.#owner;",
      to: "const { head } = this.#owner;\n    const isSure = true;",
    },
    {
      name: "renewing leaves what is in memory as it was",
      from: "    this.#tables.channels.reset();\n    this.#tables.channels.wakeAll();\n",
      to: "    this.#tables.channels.wakeAll();\n",
    },
    {
      name: "nobody is woken when this process becomes the owner",
      from: "if (isUsed) this.#tables.channels.wakeAll();",
      to: "if (!isUsed) this.#tables.channels.wakeAll();",
    },
    {
      name: "join gives up at the first error that may pass",
      from: "|| ++failures > patience) throw error;",
      to: "|| ++failures > 0) throw error;",
    },
    {
      name: "the member does not hear that the database was lost",
      from: "      member?.lost(error);\n",
      to: "      member?.inherits([]);\n",
    },
    {
      name: "keeps says nothing of what another process has set",
      from: "      return this.#row(name).retention;\n",
      to: "      return channels.retentionOf(name);\n",
    },
    {
      name: "join waits although nobody can leave",
      from: " || error.lasting || retryAfter === undefined;",
      to: " || error.lasting;",
    },
  ]),
  ...inFile("stores/sqlite/entries", [
    {
      name: "entries are read in the wrong order",
      from: "ORDER BY id`",
      to: "ORDER BY id DESC`",
    },
  ]),
  ...inFile("stores/sqlite/entry-store", [
    {
      name: "offsets above 32 bits get the id of another entry",
      from: "return to <= end ? [[from, to]] : [[from, end], ...spans(end + 1, to)];",
      to: "return [[from, Math.min(to, end)]];",
    },
  ]),
  ...inFile("stores/sqlite/epochs", [
    {
      name: "all channels have the same epoch",
      from: "hash(channel).toString(36)",
      to: "hash(channel.slice(0, 0)).toString(36)",
    },
    {
      name: "the epochs of two objects begin alike",
      from: "this.#place + crypto",
      to: "crypto",
    },
  ]),
  ...inFile("stores/sqlite/faults", [
    { name: "extended codes of Node are not known", from: "return errcode & 0xff;", to: "return errcode;" },
    {
      name: "a database that was closed is tried again for ever",
      from: "if (closed.test(message))\n    return lasting(",
      to: "if (closed.test(message))\n    return passing(",
    },
    {
      name: "a full disk fails the log for good",
      from: '[13, passing("',
      to: '[13, lasting("',
    },
  ]),
  ...inFile("stores/sqlite/format", [
    {
      name: "a newer format is used",
      from: "if (version <= newest) return version;",
      to: "if (version <= newest + 100) return newest;",
    },
    {
      name: "the tables are changed while another process uses them",
      from: "    if (format > 0) demandFree();\n",
      to: "",
    },
    {
      name: "all steps are made again",
      from: "known.slice(format)",
      to: "known.slice(0)",
    },
  ]),
  ...inFile("stores/sqlite/gathering", [
    {
      name: "a state of any length is kept",
      from: "    checkState(name, state);\n",
      to: "",
    },
    {
      name: "a sealed channel takes appends",
      from: "else if (before.traits.sealed) throw new SealedError(name);",
      to: "",
    },
    {
      name: "a channel that has begun may begin",
      from: "if (row.top > 0 && !(row.traits.sealed && isEmpty(row)))",
      to: "if (row.top < 0)",
    },
    {
      name: "a sealed channel begins anew while its entries are kept",
      from: "!(row.traits.sealed && isEmpty(row))",
      to: "!row.traits.sealed",
    },
    {
      name: "a key that was used in a writer's append is not the writer's last",
      from: "remember: (once, offset) => rememberWriter(this.#draft(channel), once, offset, now),",
      to: "remember: () => {},",
    },
    {
      name: "a time that cannot be stored is gathered",
      from: "if (!isTime(time)) throw",
      to: 'if (typeof time === "bigint") throw',
    },
    {
      name: "ages fall when the clock is set back",
      from: "const arrived = Math.max(now, row.used);",
      to: "const arrived = now;",
    },
    {
      name: "a publication that no row can hold is gathered",
      from: "if (bytes <= room) return;",
      to: "if (bytes > 0) return;",
    },
    {
      name: "a name of escaped characters counts as if it was written as it is",
      from: "if (tags === undefined && length * 6 <= room) return;",
      to: "if (tags === undefined && length <= room) return;",
    },
    {
      name: "a payload is gathered that the table cannot hold",
      from: "    if (!entries.canHold(data)) throw",
      to: '    if (!entries.canHold("")) throw',
    },
  ]),
  ...inFile("stores/sqlite/head-table", [
    {
      name: "unknown channels continue forgotten ones",
      from: "rebase({ stamp }: Head): Head {\n    return this.#write({ base: this.#epochs.next(), lineage: [], stamp });",
      to: "rebase({ base, stamp }: Head): Head {\n    return this.#write({ base: this.#epochs.next(), lineage: [{ offset: 0, epoch: base }], stamp });",
    },
  ]),
  ...inFile("stores/sqlite/lease-ownership", [
    {
      name: "an owner is taken for gone after a third of its lease",
      from: "return silence >= (lease * 2) / 3;",
      to: "return silence >= lease / 3;",
    },
    {
      name: "an owner that stood still together with the others is taken for gone",
      from: "seen.silence + Math.min(at - seen.at, lease / 3)",
      to: "seen.silence + at - seen.at",
    },
    {
      name: "two processes become the owner at once",
      from: "      if (!this.#isFree(row)) return undefined;\n",
      to: "",
    },
    {
      name: "an unclean stop is not noticed",
      from: "return row.clean && !this.#isRenewing ? row : this.#table.renew(row);",
      to: "return !this.#isRenewing ? row : this.#table.renew(row);",
    },
    {
      name: "a renewal before the first use is forgotten",
      from: "return row.clean && !this.#isRenewing ? row : this.#table.renew(row);",
      to: "return row.clean ? row : this.#table.renew(row);",
    },
    {
      name: "the mark of an unclean stop may be lost in a power cut",
      from: "    port.sync(true);\n",
      to: "",
    },
    {
      name: "the owner does not beat",
      from: "      if (rest <= 0) this.#beat();\n",
      to: "",
    },
    {
      name: "a commit is not a beat",
      from: "    if (port.rows(beatOnce, clock.time(), this.id).length === 0) throw this.#toLost();\n    this.#beaten = clock.now();\n",
      to: "    if (port.rows(beatOnce, clock.time(), this.id).length === 0) throw this.#toLost();\n",
    },
    {
      name: "a process that was taken for gone becomes the owner again",
      from: "    if (this.lost !== undefined) throw this.lost;\n    if (this.isOwner) return true;\n",
      to: "    if (this.isOwner) return true;\n",
    },
    {
      name: "an owner is sure for ever",
      from: "this.#head !== undefined && clock.now() - this.#beaten < (lease * 2) / 3",
      to: "this.#head !== undefined && clock.now() - this.#beaten < lease * 1000",
    },
  ]),
  ...inFile("stores/sqlite/object-faults", [
    {
      name: "a full storage fails the log for good",
      from: '[13, passing("',
      to: '[13, lasting("',
    },
    {
      name: "an error of the platform fails the log for good",
      from: "if (name === undefined) return passing(",
      to: "if (name === undefined) return lasting(",
    },
    {
      name: "extended codes of an object are not known",
      from: "(?: \\(extended: \\w+\\))?$/",
      to: "$/",
    },
  ]),
  ...inFile("stores/sqlite/object-log", [
    {
      name: "an object remembers as many channels as a process",
      from: "maxIdle: 1_000",
      to: "maxIdle: 10_000",
    },
    {
      name: "what the platform says of a storage without SQLite is not passed on",
      from: "    options = { cause };\n",
      to: "    if (cause === undefined) options = { cause };\n",
    },
  ]),
  ...inFile("stores/sqlite/object-port", [
    {
      name: "an error of others that a transaction passes on breaks the log",
      from: "throw thrown === undefined ? this.#failed(cause) : thrown.error;",
      to: "throw this.#failed(thrown?.error ?? cause);",
    },
    {
      name: "an error of the storage that lasts is tried again",
      from: "    if (error.lasting) this.broken = error;\n",
      to: "",
    },
  ]),
  ...inFile("stores/sqlite/read-slice", [
    {
      name: "a position of another epoch is accepted, in SQLite",
      from: 'if (epoch === "" || epoch === traits.epoch) return true;',
      to: "if (epoch !== undefined) return true;",
    },
    {
      name: "a position of an older epoch is accepted beyond its end",
      from: "older.epoch === epoch && offset <= older.offset",
      to: "older.epoch === epoch",
    },
    {
      name: "entries that are missing are not noticed",
      from: "if (gapless && found.length !== Math.max(to + 1 - from, 0))",
      to: "if (gapless && found.length > Math.max(to + 1 - from, 0))",
    },
    {
      name: "a position after which something was trimmed is gapless",
      from: "offset + 1 < first",
      to: "offset + 2 < first",
    },
  ]),
  ...inFile("stores/sqlite/repeats-table", [
    {
      name: "writers and keys are remembered for ever",
      from: " AND text = ? AND expires > ?`;",
      to: " AND text = ? AND ? > 0`;",
    },
    {
      name: "writers and keys are never removed",
      from: "for (const { channel = null, text = null } of over) this.#port.rows(remove, channel, text);",
      to: "for (const { channel = null } of over) this.#port.rows(remove, channel, null);",
    },
  ]),
  ...inFile("stores/sqlite/sole-ownership", [
    {
      name: "a copy goes on in the epochs of another object",
      from: "return row.since > 0 ? this.#table.renew(row) : row;",
      to: "return row;",
    },
    {
      name: "each life begins new epochs",
      from: "row.owner === owner ? row :",
      to: 'row.owner === "" ? row :',
    },
    {
      name: "renewing an object changes nothing",
      from: "this.#head = this.#parts.port.write(() => this.#table.renew(head));",
      to: "this.#head = head;",
    },
    {
      name: "two members of an object have the same id",
      from: "  release(): void {\n    this.#head = undefined;",
      to: "  release(): void {\n    void this.#head;",
    },
  ]),
  ...inFile("stores/text", [
    {
      name: "texts are stored as they are",
      from: "return JSON.stringify(text).slice(1, -1);",
      to: 'return text.replaceAll("\\\\", "\\\\\\\\").replaceAll(\'"\', \'\\\\"\');',
    },
  ]),
  ...inFile("stores/sqlite/trim", [
    {
      name: "entries over size and bytes are kept for ever",
      from: "slack === 0 || now - mark.arrived >= youth || beyond(mark, offset)",
      to: "slack === 0 || beyond(mark, offset)",
    },
    {
      name: "slack has no limit, in SQLite",
      from: "slack === 0 || now - mark.arrived >= youth || beyond(mark, offset)",
      to: "slack === 0 || now - mark.arrived >= youth",
    },
    {
      name: "the cost of a publication does not count against slack",
      from: "end.start - start + (end.offset - offset) * entryCost > slack",
      to: "end.start - start > slack",
    },
    {
      name: "an entry goes one millisecond late",
      from: "if (now - bornAt(row, mark.arrived) >= ttl) return true;",
      to: "if (now - bornAt(row, mark.arrived) > ttl) return true;",
    },
    {
      name: "the search ends one entry early",
      from: "while (low < found.offset) isGone(low + Math.floor((found.offset - low) / 2));",
      to: "while (low + 1 < found.offset) isGone(low + Math.floor((found.offset - low) / 2));",
    },
  ]),
  ...inFile("stores/sqlite/upkeep", [
    {
      name: "the total has no limit",
      from: "if (commit.cost <= totalBytes) return;",
      to: "if (commit.cost > 0) return;",
    },
    {
      name: "a commit trims to totalBytes for as long as it takes",
      from: "const maxSteps = 128;",
      to: "const maxSteps = 1_000_000;",
    },
    {
      name: "totalBytes empties the channel with the oldest entry",
      from: "arrived <= until && start",
      to: "start",
    },
    {
      name: "a channel that is watched is forgotten",
      from: "channels.known(name)?.isWatched || ",
      to: "",
    },
    {
      name: "a channel with a key is forgotten",
      from: " || repeats.hasKeys(id, now)",
      to: "",
    },
    {
      name: "channels that are over are not looked at",
      from: "    for (const named of due) if (!this.#look(commit, named)) isMore = true;\n",
      to: "",
    },
    {
      name: "the epoch of unknown channels stays when channels are forgotten",
      from: "    if (commit.isForgetful) commit.head = this.#parts.owner.rebase();\n",
      to: "",
    },
    {
      name: "totalBytes goes by what entries may count at most",
      from: "    if (commit.cost > totalBytes) commit.count();\n",
      to: "",
    },
  ]),
];
