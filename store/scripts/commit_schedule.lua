-- Write what was decided about a schedule, if nothing else has been decided meanwhile; and tell the feed.
--
-- KEYS[1] schedule     hash
-- KEYS[2] due          sorted set, schedule id -> when it is to be looked at (ms)
-- KEYS[3] runs         hash, run id -> the run as JSON, of the runs that are over
-- KEYS[4] ended        sorted set, run id -> when it ended (ms)
-- KEYS[5] feed         stream
-- KEYS[6] feed groups  hash
--
-- ARGV[1] schedule id
-- ARGV[2] the revision that was read, or '0' to make a new one
-- ARGV[3] now (ms)
-- ARGV[4] when it is to be looked at (ms), or '' if never
-- ARGV[5] of how many runs that are over is known
-- ARGV[6] notices for the feed, as JSON, or ''
-- ARGV[7] owner
-- ARGV[8] how many runs follow
-- ARGV[9] .. run id, when it ended (ms) and the run, of each that is over; then pairs of field and value
--
-- Returns the new revision, or 0 if it has another one, is gone, or is there already.

local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[2] then return 0 end
local first = 9 + 3 * tonumber(ARGV[8])
for i = 9, first - 3, 3 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 2])
  redis.call('ZADD', KEYS[4], ARGV[i + 1], ARGV[i])
end
local excess = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[5])
if excess > 0 then
  redis.call('HDEL', KEYS[3], unpack(redis.call('ZRANGE', KEYS[4], 0, excess - 1)))
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, excess - 1)
end
local following = string.format('%.0f', tonumber(revision) + 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[7], 'updated_at', ARGV[3], 'revision', following, unpack(ARGV, first))
if ARGV[4] == '' then redis.call('ZREM', KEYS[2], ARGV[1]) else redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1]) end
if ARGV[6] ~= '' then tell_feed(KEYS[5], KEYS[6], KEYS[1], ARGV[1], ARGV[3], ARGV[6], {ARGV[7], ARGV[1]}) end
return tonumber(following)
