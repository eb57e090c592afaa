-- Admit a member to sets that are bounded, if there is room in each of them.
--
-- KEYS sorted sets, member -> when it was admitted or, where members expire, when it does (ms)
--
-- ARGV[1] member
-- ARGV[2] its score (ms)
-- ARGV[3] now (ms), where members expire by their score, or ''
-- ARGV[4] lifetime of a key after its last admission (ms)
-- ARGV[5] .. how many members each of the sets may have
--
-- Returns 0, or the number of the first key that has no room; then nothing was admitted.

local member, score, now = ARGV[1], ARGV[2], ARGV[3]
for i, key in ipairs(KEYS) do
  if now ~= '' then redis.call('ZREMRANGEBYSCORE', key, '-inf', now) end
  if not redis.call('ZSCORE', key, member) and redis.call('ZCARD', key) >= tonumber(ARGV[4 + i]) then return i end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, score, member)
  redis.call('PEXPIRE', key, ARGV[4])
end
return 0
