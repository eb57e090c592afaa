-- Record what one writer has used in a scope so far; a smaller record than its last one comes late, and changes
-- nothing.
--
-- KEYS[1] usage        hash: the sums `tokens` and `cost`, and `of:<key>` -> 'tokens cost'
-- KEYS[2] meta         hash, only for a conversation's usage: without it nothing is recorded
--
-- ARGV[1] key of the writer
-- ARGV[2] tokens
-- ARGV[3] cost
-- ARGV[4] lifetime (s), or ''
--
-- Returns the sums {tokens, cost} of all writers, or false if there is no such conversation.

if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 0 then return false end
local sums = add_usage(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if ARGV[4] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
return sums
