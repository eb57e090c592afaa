-- Enter a child in the list of its parent's children if it is missing there, unless the parent is gone.
--
-- KEYS[1] meta         hash, the parent's
-- KEYS[2] children     hash, conversation id -> mark (see add_child.lua)
--
-- ARGV[1] id of the child
-- ARGV[2] mark
--
-- Returns 1, or 0 if there is no such parent.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
return 1
