-- Remove entries of a list, unless they have been entered anew since they were read.
--
-- KEYS[1] order        sorted set
--
-- ARGV[1] .. pairs of entry and its score when it was read
--
-- Returns how many were removed.

local removed = 0
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    removed = removed + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return removed
