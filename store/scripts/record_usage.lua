-- Record what one piece of work used; recorded again under the same key, it replaces what was there.
--
-- KEYS[1] usage        hash: the sums `tokens` and `cost`, and `of:<key>` -> 'tokens cost'
-- KEYS[2] meta         hash, only for a conversation's usage: without it nothing is recorded
--
-- ARGV[1] key
-- ARGV[2] tokens
-- ARGV[3] cost
-- ARGV[4] lifetime (s), or ''
--
-- Returns 1, or 0 if there is no such conversation.

if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local entry = 'of:' .. ARGV[1]
local known = redis.call('HGET', KEYS[1], entry)
local tokens, cost = 0, 0
if known then
  tokens, cost = string.match(known, '^(%-?%d+) (%-?%d+)$')
end
redis.call('HSET', KEYS[1], entry, ARGV[2] .. ' ' .. ARGV[3])
redis.call('HINCRBY', KEYS[1], 'tokens', string.format('%.0f', tonumber(ARGV[2]) - tonumber(tokens)))
redis.call('HINCRBY', KEYS[1], 'cost', string.format('%.0f', tonumber(ARGV[3]) - tonumber(cost)))
if ARGV[4] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[4]) end
return 1
