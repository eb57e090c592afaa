-- Remove a deleted child from the list of its parent's children, unless it has been created again.
--
-- KEYS[1] children     hash, conversation id -> mark
--
-- ARGV[1] id of the child
-- ARGV[2] the mark it had before it was deleted
--
-- Returns how many entries were removed.

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
