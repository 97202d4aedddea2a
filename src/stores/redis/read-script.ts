import { channelScript } from "./channel-script.ts";

/**
 * Reads a channel at one moment.
 *
 * `ARGV`: what begins new epochs, the usual retention (size, bytes, ttl, slack), the offset and the epoch to read after,
 * `limit` and `last`. What is not given is empty.
 */
export const readScript: string = `${channelScript}
local c = open(KEYS[1])
if c.error then return { 'E' .. c.error } end
c.usual = { tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) }
if c.isChanged then flush(c) end
local first = visible(c)
local from, to, isGapless = first, c.top, true
if ARGV[6] ~= '' then
  local after = tonumber(ARGV[6])
  isGapless = after + 1 >= first and after <= c.top and isOf(c, ARGV[7], after)
  from = math.max(first, after + 1)
end
if ARGV[8] ~= '' then to = math.min(to, from + ARGV[8] - 1) end
if ARGV[9] ~= '' then from = math.max(from, to - ARGV[9] + 1) end
local facts = table.concat({
  server, c.epoch, text(c.top), text(first), isGapless and 1 or 0, c.sealed and 1 or 0, c.isContinued and 1 or 0
}, ' ')
local entries = {}
if isGapless and from <= to then
  entries = redis.call('LRANGE', c.key, from - c.first + 1, to - c.first + 1)
end
return { facts, c.lineage, c.state, text(from), entries }
`;
