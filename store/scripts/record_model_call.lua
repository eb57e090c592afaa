-- Record what was sent to a model, and delete the records that are older than the lifetime.
--
-- KEYS[1] model calls  stream, ids are the time (ms) and a number
-- KEYS[2] meta         hash: without it nothing is recorded
--
-- ARGV[1] entry
-- ARGV[2] now (ms)
-- ARGV[3] lifetime (s)
--
-- Returns 1, or 0 if there is no such conversation.

if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
-- Redis 6.2 cannot number the ids of one given time by itself. A clock that went back must not stop recording either.
local id = ARGV[2] .. '-0'
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
  local time, number = string.match(last[1], '^(%d+)-(%d+)$')
  if tonumber(time) >= tonumber(ARGV[2]) then id = time .. '-' .. string.format('%d', tonumber(number) + 1) end
end
redis.call('XADD', KEYS[1], id, 'd', ARGV[1])
local oldest = math.max(tonumber(ARGV[2]) - tonumber(ARGV[3]) * 1000, 0)
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', oldest))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
