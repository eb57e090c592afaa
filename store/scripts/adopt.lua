-- Enter a child into the list of its parent's children, unless the parent is gone.
--
-- KEYS[1] meta         hash, the parent's
-- KEYS[2] children     sorted set, conversation id -> time of its creation
--
-- ARGV[1] id of the child
-- ARGV[2] now (ms)
--
-- Returns 1, or 0 if there is no such parent.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], 'NX', ARGV[2], ARGV[1])
return 1
