-- Put a conversation out of the lists, or back into them, unless it is gone; and tell the feed.
--
-- KEYS[1] meta         hash
-- KEYS[2] feed         stream
-- KEYS[3] feed groups  hash
--
-- ARGV[1] '1' to archive it, or ''
-- ARGV[2] now (ms)
-- ARGV[3] conversation id
-- ARGV[4] notices for the feed, as JSON
--
-- Returns 1 if something has changed, 0 if it was so before, or false if there is no such conversation.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'archived_at')
if not meta[1] then return false end
if (meta[2] and '1' or '') == ARGV[1] then return 0 end
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'archived_at')
else
  redis.call('HSET', KEYS[1], 'archived_at', ARGV[2])
end
tell_feed(KEYS[2], KEYS[3], KEYS[1], ARGV[3], ARGV[2], ARGV[4])
return 1
