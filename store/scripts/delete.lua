-- Remove a conversation: its log, its metadata, its client ids, its files, what was recorded about it and its place
-- among the unfinished turns; unless it still has children.
--
-- KEYS[1] meta         hash
-- KEYS[2] unfinished   sorted set
-- KEYS[3] children     sorted set
-- KEYS[4] .. all the others
--
-- ARGV[1] conversation id
-- ARGV[2] .. ids among the children that need no deletion: they do not exist, or are another's
--
-- Returns 1, or 0 if there are other children, which must go first.

for i = 2, #ARGV do redis.call('ZREM', KEYS[3], ARGV[i]) end
if redis.call('ZCARD', KEYS[3]) > 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('UNLINK', KEYS[1], unpack(KEYS, 3))
return 1
