-- Register groups as readers of a partition's feed. The first one makes that there is a feed: from then on every change
-- is told. A group that is new hears of what happens from now on; for one that is known, note that it still has a
-- consumer.
--
-- KEYS[1] feed         stream
-- KEYS[2] feed groups  hash: `max` (entries that the stream holds at most), `channel`, `partition`, `added` (entries
--                      ever added), `woken` (when (ms) the readers were last woken); and for each group
--                      `cursor:<group>` (the id and the number of the last entry that it has), `seen:<group>` (when
--                      (ms) it last had a consumer), `lost:<group>` and `aside:<group>` (entries that were cut off
--                      unread, and entries that its consumer could not take)
--
-- ARGV[1] max
-- ARGV[2] channel
-- ARGV[3] partition
-- ARGV[4] now (ms)
-- ARGV[5] .. the groups
--
-- Returns the cursors of these groups.

redis.call('HSET', KEYS[2], 'max', ARGV[1], 'channel', ARGV[2], 'partition', ARGV[3])
redis.call('HSETNX', KEYS[2], 'added', '0')
local cursors = {}
for i = 5, #ARGV do
  local cursor = redis.call('HGET', KEYS[2], 'cursor:' .. ARGV[i])
  if not cursor then
    local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    cursor = (last and last[1] or '0-0') .. ' ' .. redis.call('HGET', KEYS[2], 'added')
    redis.call('HSET', KEYS[2], 'cursor:' .. ARGV[i], cursor)
  end
  redis.call('HSET', KEYS[2], 'seen:' .. ARGV[i], ARGV[4])
  cursors[#cursors + 1] = cursor
end
return cursors
