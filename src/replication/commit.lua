-- Compares each given fact with the stored one, by rank. Stores those that are larger, and appends them to the log as one entry.
-- All of it happens at once or not at all. The reference is `domain::shared::Log`; tests/e2e/replicas/script.rs compares the two.
--
-- KEYS: head, facts, forget, log
-- ARGV: nonce, entries to keep in the log, most facts, then for each fact: key, value, milliseconds to keep it or 0 for ever
-- Returns: sequence number, nonce, facts taken, facts for which there was no room

local KEYS_HEAD, KEYS_FACTS, KEYS_FORGET, KEYS_LOG = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local VERSION, NONE = '1', '0000000000000000'

-- `<` of Lua follows the locale of the server. Ranks are compared byte for byte.
local function larger(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

-- What no version of ours wrote has no rank: everything is larger.
local function rank(value)
  if not value or string.sub(value, 1, 1) ~= VERSION then return nil end
  local till = string.find(value, '\n', 2, true)
  return till and string.sub(value, 2, till - 1)
end

-- Everything that can fail, because a key holds something else, comes before the first write: what a script has written stays.
local head = redis.call('HMGET', KEYS_HEAD, 'fmt', 'seq', 'nonce')
if head[1] and head[1] ~= VERSION then
  return redis.error_reply('OTHERVERSION the shared state is of another version')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local old = redis.call('ZRANGEBYSCORE', KEYS_FORGET, '-inf', now, 'LIMIT', 0, 100)
local room = ARGV[3] - redis.call('HLEN', KEYS_FACTS)

for _, key in ipairs(old) do
  redis.call('HDEL', KEYS_FACTS, key)
  redis.call('ZREM', KEYS_FORGET, key)
  room = room + 1
end

local taken, full = {}, 0
for i = 4, #ARGV, 3 do
  local key, value, lasts = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local there = redis.call('HGET', KEYS_FACTS, key)
  local known, new = rank(there), rank(value)
  if not new or (known and not larger(new, known)) then
    -- Old news.
  elseif not there and room <= 0 then
    full = full + 1
  else
    if not there then room = room - 1 end
    redis.call('HSET', KEYS_FACTS, key, value)
    if lasts > 0 then
      redis.call('ZADD', KEYS_FORGET, now + lasts, key)
    else
      redis.call('ZREM', KEYS_FORGET, key)
    end
    taken[#taken + 1] = key
    taken[#taken + 1] = value
  end
end

local seq, previous = head[2], head[3]
local good = seq and previous and #seq <= 15 and string.find(seq, '^[1-9]%d*$') and string.find(previous, '^%x+$') and #previous == 16
if #taken == 0 then
  if not good then return {'0', NONE, 0, full} end
  return {seq, previous, 0, full}
end
if good then
  seq = string.format('%.0f', tonumber(seq) + 1)
else
  -- A store that was emptied must not begin with numbers that readers are past, or they would not see them.
  seq, previous = string.format('%.0f', now), NONE
  redis.call('DEL', KEYS_LOG)
end
redis.call('HSET', KEYS_HEAD, 'fmt', VERSION, 'seq', seq, 'nonce', ARGV[1])
local entry = {'XADD', KEYS_LOG, 'MAXLEN', '~', ARGV[2], seq .. '-0', 'p', previous, 'n', ARGV[1]}
for _, part in ipairs(taken) do entry[#entry + 1] = part end
local added = redis.pcall(unpack(entry))
if type(added) == 'table' and added.err then
  -- Somebody else wrote there: something that is no log, or an entry behind ours. Readers see that theirs are gone.
  redis.call('DEL', KEYS_LOG)
  redis.call(unpack(entry))
end
return {seq, ARGV[1], #taken / 2, full}
