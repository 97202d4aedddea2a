/**
 * Keeps the members of a log. They are in one hash: who they are, when each was last heard, and who is taken for gone.
 *
 * Silence is counted between the signs of life of all members, a third of the lease at most from one to the next. So
 * while nobody reaches the server, nobody's silence counts. The generation rises whenever somebody comes or goes.
 *
 * `ARGV`: what is done (`join`, `beat`, `leave` or `claimed`), the id, an id for new members, the lease, the store and
 * the server that the member knows, and a generation. The answer: what the member is now (`member`, `gone` or `none`),
 * the store, the server, the generation, whether there is something to inherit, and the ids of all members.
 */
export const memberScript: string = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local info = redis.pcall('INFO', 'replication')
local server = type(info) == 'string' and string.match(info, 'master_replid:(%w+)') or '?'
local does, id, lease, generation = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[7])

local function text(number) return string.format('%.3f', number) end

local members, gone, state = {}, {}, {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local name, value = all[at], all[at + 1]
  local kind = string.sub(name, 1, 1)
  if kind == '+' then
    local joined, heard = string.match(value, '^(%d+) (%S+)$')
    members[string.sub(name, 2)] = { joined = tonumber(joined), heard = tonumber(heard) }
  elseif kind == '-' then
    gone[string.sub(name, 2)] = tonumber(value)
  else
    state[name] = value
  end
end
if not state.store then
  state = { store = ARGV[3], counted = 0, at = now, joins = 0, generation = 0, left = 1, claimed = 0 }
end
for _, name in ipairs({ 'counted', 'at', 'joins', 'generation', 'left', 'claimed' }) do
  state[name] = tonumber(state[name])
end
state.generation = math.max(state.generation, generation, state.left)

local function remove(who)
  members[who] = nil
  gone[who] = now
  redis.call('HDEL', KEYS[1], '+' .. who)
  redis.call('HSET', KEYS[1], '-' .. who, now)
  state.generation = state.generation + 1
  state.left = state.generation
end

local function hear(who)
  state.counted = state.counted + math.min(math.max(now - state.at, 0), lease / 3)
  state.at = now
  if not members[who] then
    state.joins = state.joins + 1
    state.generation = state.generation + 1
    members[who] = { joined = state.joins }
  end
  members[who].heard = state.counted
  redis.call('HSET', KEYS[1], '+' .. who, members[who].joined .. ' ' .. text(state.counted))
  local silent = {}
  for other, each in pairs(members) do
    if state.counted - each.heard >= lease then silent[#silent + 1] = other end
  end
  table.sort(silent)
  for _, other in ipairs(silent) do remove(other) end
end

local isSame = state.store == ARGV[5] and server == ARGV[6]
if does == 'leave' then
  if members[id] then remove(id) end
elseif does == 'join' then
  hear(id)
elseif members[id] or not (gone[id] or isSame) then
  -- A member that is neither here nor gone comes back: the store has lost it.
  hear(id)
  if does == 'claimed' then state.claimed = math.max(state.claimed, generation) end
end
for who, since in pairs(gone) do
  if now - since > 604800000 then redis.call('HDEL', KEYS[1], '-' .. who) end
end
redis.call('HSET', KEYS[1], 'store', state.store, 'counted', text(state.counted), 'at', state.at, 'joins', state.joins,
  'generation', state.generation, 'left', state.left, 'claimed', state.claimed)
local ids = {}
for who in pairs(members) do ids[#ids + 1] = who end
table.sort(ids, function(a, b) return members[a].joined < members[b].joined end)
local is = members[id] and 'member' or gone[id] and 'gone' or 'none'
local isHeir = ids[1] == id and state.claimed < state.left
return { is, state.store, server, tostring(state.generation), isHeir and '1' or '0', ids }
`;

/**
 * Gives the records of a bucket that no member holds to the heir. From then on, members that do not know of this
 * generation write nothing in the bucket.
 *
 * `ARGV`: the heir, the generation, and the ids of all members. The answer: the generation of the bucket, and each record
 * that the heir has inherited, with its value.
 */
export const claimScript: string = `
local heir, generation = ARGV[1], tonumber(ARGV[2])
local found = tonumber(redis.call('HGET', KEYS[1], 'g') or 0)
if found > generation then return { tostring(found) } end
local members = {}
for at = 3, #ARGV do members[ARGV[at]] = true end
if found < generation then redis.call('HSET', KEYS[1], 'g', generation) end
local answer = { tostring(generation) }
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local name, value = all[at], all[at + 1]
  if name ~= 'g' then
    local who, isInherited, where = string.match(value, '^(%S+) (%d) (.*)$')
    if not members[who] then
      who, isInherited = heir, '1'
      redis.call('HSET', KEYS[1], name, heir .. ' 1 ' .. where)
    end
    if who == heir and isInherited == '1' then
      answer[#answer + 1] = string.sub(name, 2)
      answer[#answer + 1] = where
    end
  end
end
return answer
`;
