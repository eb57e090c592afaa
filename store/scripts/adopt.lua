-- Enter a child into the list of its parent's children, unless the parent is gone.
--
-- KEYS[1] meta         hash, the parent's
-- KEYS[2] children     hash, conversation id -> a mark: '?' for one that is about to be created, '!' for one that is
--
-- ARGV[1] id of the child
-- ARGV[2] its mark, made unique by what follows the sign
--
-- Returns 1, or 0 if there is no such parent.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
