import { channelScript } from "./channel-script.ts";

/**
 * Makes appends, holds and releases records, one after the other. Either everything that it does is done, or nothing.
 *
 * `ARGV`: what begins new epochs, the id of the member, the generation of the members that it knows, the number of
 * operations, the server that answered it last, and the arguments of each operation; see `operation.ts`. The answer has the
 * server, and a text for each operation.
 */
export const writeScript: string = `${channelScript}${String.raw`
local member, generation, count, known = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local place = 5
local channels, fences = {}, {}

local function take()
  place = place + 1
  return ARGV[place]
end

-- Returns the generation of a bucket if this member does not know it: others may have inherited what it held.
local function fence(bucket)
  if bucket == 0 then return nil end
  local found = fences[bucket]
  if not found then
    found = tonumber(redis.call('HGET', KEYS[bucket], 'g') or 0)
    fences[bucket] = found
  end
  return found > generation and ('S' .. text(found)) or nil
end

local function hold(bucket, record, where)
  if fences[bucket] < generation then
    redis.call('HSET', KEYS[bucket], 'g', text(generation))
    fences[bucket] = generation
  end
  redis.call('HSET', KEYS[bucket], 'r' .. record, member .. ' 0 ' .. where)
end

-- Returns the last number of a writer, its offset, and whether the store was set back since.
local function writer(c, by)
  local _, last = string.find(c.writers, ';' .. by .. ' ', 1, true)
  if not last then return nil end
  local n, offset, expires, isOld = string.match(c.writers, '^(%d+) (%d+) (%d+) (%d);', last + 1)
  if tonumber(expires) <= now then return nil end
  return tonumber(n), tonumber(offset), isOld == '1'
end

local function remember(c, by, n, offset)
  local first, last = string.find(c.writers, ';' .. by .. ' ', 1, true)
  if first then
    local _, over = string.find(c.writers, ';', last, true)
    c.writers = string.sub(c.writers, 1, first) .. string.sub(c.writers, over + 1)
  else
    -- A new writer is a good time to forget those that are gone.
    c.writers = string.gsub(c.writers, '([^;]+ (%d+) %d);', function(_, expires)
      if tonumber(expires) <= now then return '' end
    end)
  end
  c.writers = c.writers .. by .. ' ' .. n .. ' ' .. text(offset) .. ' ' .. text(now + 600000) .. ' 0;'
  c.isChanged = true
end

-- Returns the offset of an append that was made before, or the answer that refuses it.
local function repeated(c, by, n, key)
  if by ~= '' then
    local last, offset, isOld = writer(c, by)
    local number = tonumber(n)
    if last == number then return offset end
    if last and number ~= last + 1 and not (isOld and number > last) then return nil, 'N' .. text(last) end
  end
  if key == 0 then return nil end
  local known = redis.call('GET', KEYS[key])
  if not known then return nil end
  local epoch, offset = string.match(known, '^(%S+) (%d+)$')
  if not isOf(c, epoch, tonumber(offset)) then return nil end
  if by ~= '' then remember(c, by, n, tonumber(offset)) end
  return tonumber(offset)
end

-- Returns the channel in which an append in the first place is made, or nil if it has begun.
local function begin(at, c)
  if c.top == 0 then return c end
  if #c.pending > 0 then flush(c) end
  if not c.sealed or visible(c) <= c.top then return nil end
  redis.call('LTRIM', c.key, 0, 0)
  local begun = fresh(c.key)
  begun.isKnown, begun.usual, begun.expires = true, c.usual, c.expires
  channels[at] = begun
  return begun
end

local function made(c, offset)
  return text(offset) .. ' ' .. c.epoch .. (c.isContinued and ' c' or '')
end

-- Remembers the first use of a publisher's own key.
local function keep(c, key, lasts, offset)
  if lasts > 1e12 then
    redis.call('SET', KEYS[key], c.epoch .. ' ' .. offset)
  elseif lasts >= 1 then
    redis.call('SET', KEYS[key], c.epoch .. ' ' .. offset, 'PX', text(lasts))
  end
  c.keyed = math.max(c.keyed, lasts)
end

local function add(c, meta, data, tagBytes)
  local arrival = math.max(now, c.last)
  if c.first > c.top then c.arrival, c.before = arrival, c.total end
  local entry = text(arrival) .. ' ' .. text(c.total) .. ' ' .. meta .. '\n' .. data
  c.top, c.total, c.last = c.top + 1, c.total + #data + tagBytes, arrival
  c.pending[#c.pending + 1] = entry
  c.wakes[#c.wakes + 1] = c.epoch .. ' ' .. text(c.top) .. (#data <= 16384 and '\n' .. entry or '')
end

local function append()
  local has, at, bucket, meta, data = take(), tonumber(take()), tonumber(take()), take(), take()
  local c = channels[at] or open(KEYS[at])
  channels[at] = c
  local usual = { tonumber(take()), tonumber(take()), tonumber(take()), tonumber(take()) }
  local isGiven = has:find('r', 1, true)
  local by, n, key, lasts, where, state, record, name, tagBytes = '', nil, 0, 0, nil, nil, nil, nil, 0
  if has:find('o', 1, true) then by, n = take(), take() end
  if has:find('k', 1, true) then key, lasts = tonumber(take()), tonumber(take()) end
  if has:find('p', 1, true) then where = take() end
  if has:find('s', 1, true) then state = take() end
  if has:find('h', 1, true) then record, name = take(), take() end
  if has:find('t', 1, true) then tagBytes = tonumber(take()) end
  local after, of
  if has:find('f', 1, true) then of, after = take(), tonumber(take()) end
  local entries = { { meta, data, tagBytes } }
  if has:find('m', 1, true) then
    for n = 1, tonumber(take()) do entries[n + 1] = { take(), take(), tonumber(take()) } end
  end
  if c.error then return 'E' .. c.error end
  c.usual = usual
  local refused = fence(bucket)
  if refused then return refused end
  local before, why = repeated(c, by, n, key)
  if why then return why end
  if before then return made(c, before) end
  if has:find('R', 1, true) then return 'R' end
  if of and not isOf(c, of, after) then return 'F' end
  if where == 'first' then
    c = begin(at, c)
    if not c then return 'X' end
  elseif c.sealed then
    return 'Z'
  end
  if isGiven then
    local isSame = usual[1] == c.size and usual[2] == c.bytes and usual[3] == c.ttl and usual[4] == c.slack
    if #c.pending > 0 and not isSame then flush(c) end
    c.size, c.bytes, c.ttl, c.slack = unpack(usual)
  end
  c.wakes = c.wakes or {}
  for _, each in ipairs(entries) do add(c, unpack(each)) end
  if state then c.state = '+' .. state end
  if where == 'last' then c.sealed = c.last end
  local offset = text(c.top)
  if by ~= '' then remember(c, by, n, c.top) end
  if record then hold(bucket, record, offset .. ' ' .. c.epoch .. ' ' .. name) end
  if key ~= 0 then keep(c, key, lasts, offset) end
  c.isChanged = true
  return made(c, c.top)
end

local function holdAgain()
  local bucket, record, where = tonumber(take()), take(), take()
  local refused = fence(bucket)
  if refused then return refused end
  if redis.call('HEXISTS', KEYS[bucket], 'r' .. record) == 0 then hold(bucket, record, where) end
  return '+'
end

local function release()
  local bucket, record = tonumber(take()), take()
  -- The server may have lost what the record is released for, and the member does not know it yet.
  if known ~= '' and known ~= server then return 'S' .. text(generation) end
  local held = redis.call('HGET', KEYS[bucket], 'r' .. record)
  if held and string.sub(held, 1, #member + 1) == member .. ' ' then
    redis.call('HDEL', KEYS[bucket], 'r' .. record)
  end
  return '+'
end

local does = { append = append, hold = holdAgain, release = release }
local answers = { server }
for _ = 1, count do answers[#answers + 1] = does[take()]() end
for _, c in pairs(channels) do
  if c.isChanged then flush(c) end
  for _, wake in ipairs(c.wakes or {}) do redis.call('SPUBLISH', c.key, wake) end
end
return answers
`}`;
