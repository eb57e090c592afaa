-- Add a child to the list of its parent's children, unless the parent is gone.
--
-- KEYS[1] meta         hash, the parent's
-- KEYS[2] children     hash, conversation id -> a mark: '?' for a child about to be created, '!' for a created one
--
-- ARGV[1] id of the child
-- ARGV[2] its mark: the sign, and a text that makes it unique
--
-- Returns 1, or 0 if there is no such parent.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
