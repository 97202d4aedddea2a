/**
 * What the scripts that read and write channels share.
 *
 * A channel is one list. Its first element is the head: what is known of the channel. The entries follow, each with the
 * time of its arrival and the bytes of all entries before it. Both rise from entry to entry, so what is trimmed is found
 * by bisection. One key per channel is evicted, and moves to another shard, as a whole.
 *
 * The head is in MessagePack: it is read and written with each append, and numbers as text would take most of the time.
 */
export const channelScript: string = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local info = redis.pcall('INFO', 'replication')
local server = type(info) == 'string' and string.match(info, 'master_replid:(%w+)') or '?'
local format = 'tocsin1'
local day, hour, youth, cost = 86400000, 3600000, 10000, 192
local seed, epochs = ARGV[1], 0

local function text(number)
  if number == math.huge then return 'inf' end
  return string.format('%d', number)
end

local function nextEpoch()
  epochs = epochs + 1
  return seed .. epochs
end

local function fresh(key)
  return {
    key = key, epoch = nextEpoch(), server = server, top = 0, first = 1, arrival = 0, before = 0, total = 0, last = 0,
    sealed = false, expires = 0, over = 0, size = false, lineage = '', writers = ';', state = '',
    pending = {}, keyed = 0, isChanged = true
  }
end

-- The channel goes on in another epoch: the server does not have the history that it had when it wrote the head.
local function continue(c)
  local lineage, count = c.epoch .. ':' .. text(c.top), 1
  for older in string.gmatch(c.lineage, '%S+') do
    if count == 8 then break end
    lineage, count = lineage .. ' ' .. older, count + 1
  end
  c.lineage, c.epoch, c.server = lineage, nextEpoch(), server
  c.writers = string.gsub(c.writers, ' 0;', ' 1;')
  c.isContinued, c.isChanged = true, true
end

local function open(key)
  local head = redis.pcall('LINDEX', key, 0)
  if type(head) == 'table' then return { error = head.err } end
  if not head then return fresh(key) end
  local isRead, is, epoch, known, top, first, arrival, before, total, last, sealed, expires, over, size, bytes, ttl, slack,
    lineage, writers, state = pcall(cmsgpack.unpack, head)
  if not isRead or is ~= format then return { error = 'FORMAT' } end
  local c = {
    key = key, epoch = epoch, server = known, top = top, first = first, arrival = arrival, before = before, total = total,
    last = last, sealed = sealed, expires = expires, over = over, size = size, bytes = bytes, ttl = ttl, slack = slack,
    lineage = lineage, writers = writers, state = state, pending = {}, keyed = 0, isKnown = true
  }
  if known ~= server and server ~= '?' then
    if known == '?' then c.server = server else continue(c) end
  end
  return c
end

local function packed(c)
  return cmsgpack.pack(format, c.epoch, c.server, c.top, c.first, c.arrival, c.before, c.total, c.last, c.sealed, c.expires,
    c.over, c.size, c.bytes or 0, c.ttl or 0, c.slack or 0, c.lineage, c.writers, c.state)
end

local function bounds(c)
  if not c.size then return c.usual[1], c.usual[2], c.usual[3], c.usual[4] end
  return c.size, c.bytes, c.ttl, c.slack
end

-- Returns the arrival of an entry, and the bytes before it.
local function at(c, offset)
  if offset > c.top then return now, c.total end
  local arrival, before = string.match(redis.call('LINDEX', c.key, offset - c.first + 1), '^(%d+) (%d+) ')
  return tonumber(arrival), tonumber(before)
end

-- Returns the first entry up to "high" that is not gone. The one at "low" is.
local function seek(c, low, high, isGone)
  local stride = 1
  while low + stride < high do
    local arrival, before = at(c, low + stride)
    if not isGone(arrival, before, low + stride) then
      high = low + stride
      break
    end
    low, stride = low + stride, stride * 2
  end
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    local arrival, before = at(c, middle)
    if isGone(arrival, before, middle) then low = middle else high = middle end
  end
  local arrival, before = at(c, high)
  return high, arrival, before
end

-- Returns the offset of the first entry that is kept now, its arrival, and the bytes before it.
local function visible(c)
  local offset, arrival, before = c.first, c.arrival, c.before
  if offset > c.top then return offset, arrival, before end
  local size, bytes, ttl, slack = bounds(c)
  if c.sealed then
    if now - c.sealed >= ttl then return c.top + 1, now, c.total end
  elseif now - arrival >= ttl then
    offset, arrival, before = seek(c, offset, c.top + 1, function(came) return now - came >= ttl end)
    if offset > c.top then return offset, arrival, before end
  end
  -- What comes before "within" is over size or bytes.
  local within = c.top - math.floor(size) + 1
  if c.total - before > bytes then
    local function isOver(_, less) return c.total - less > bytes end
    -- It is seldom far from where it was before.
    local low = offset
    if c.over > offset and c.over <= c.top and isOver(at(c, c.over)) then low = c.over end
    local fits = seek(c, low, c.top + 1, isOver)
    c.over = fits - 1
    if fits > within then within = fits end
  end
  if within <= offset then return offset, arrival, before end
  if within > c.top + 1 then within = c.top + 1 end
  local came, less = at(c, within)
  if slack == 0 then return within, came, less end
  local function isGone(since, rest, position)
    return now - since >= youth or less - rest + cost * (within - position) > slack
  end
  if isGone(arrival, before, offset) then return seek(c, offset, within, isGone) end
  return offset, arrival, before
end

local function expire(c)
  local _, _, ttl = bounds(c)
  local need = now + math.max(c.top == 0 and hour or day, c.keyed)
  if c.top >= c.first then need = math.max(need, now + ttl) end
  if need > 1e14 then need = math.huge end
  if c.expires >= need and (c.expires < math.huge or need == math.huge) then return nil end
  c.expires = need + hour
  return need == math.huge and { 'PERSIST', c.key } or { 'PEXPIREAT', c.key, text(c.expires) }
end

-- Writes what has changed.
local function flush(c)
  local count = #c.pending
  if not c.isKnown then redis.call('RPUSH', c.key, format) end
  c.isKnown = true
  for from = 1, count, 100 do redis.call('RPUSH', c.key, unpack(c.pending, from, math.min(from + 99, count))) end
  c.pending = {}
  local offset, arrival, before = visible(c)
  if offset > c.first then
    -- The head takes the place of the last entry that goes.
    redis.call('LTRIM', c.key, offset - c.first, -1)
    c.first, c.arrival, c.before = offset, arrival, before
  end
  local expiry = expire(c)
  redis.call('LSET', c.key, 0, packed(c))
  if expiry then redis.call(unpack(expiry)) end
  c.isChanged = false
end

-- Whether a position of an epoch is one of the channel's epoch, too.
local function isOf(c, epoch, offset)
  if epoch == '' or epoch == c.epoch then return true end
  for older, last in string.gmatch(c.lineage, '(%S+):(%d+)') do
    if older == epoch then return offset <= tonumber(last) end
  end
  return false
end
`;
