-- Delete a schedule with all that is known of its runs, and tell the feed.
--
-- KEYS[1] schedule     hash
-- KEYS[2] due          sorted set, schedule id -> when it is to be looked at (ms)
-- KEYS[3] runs         hash
-- KEYS[4] ended        sorted set
-- KEYS[5] feed         stream
-- KEYS[6] feed groups  hash
--
-- ARGV[1] schedule id
-- ARGV[2] now (ms)
-- ARGV[3] notices for the feed, as JSON
--
-- Returns 1, or 0 if it was gone.

local owner = redis.call('HGET', KEYS[1], 'owner')
redis.call('ZREM', KEYS[2], ARGV[1])
if not owner then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[3], KEYS[4])
tell_feed(KEYS[5], KEYS[6], KEYS[1], ARGV[1], ARGV[2], ARGV[3], {owner, ARGV[1]})
return 1
