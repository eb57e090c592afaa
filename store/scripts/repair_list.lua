-- Enter conversations in the three orders of a list. The time of activity is set unless it has changed since it was
-- read.
--
-- KEYS[1] updated      sorted set
-- KEYS[2] created      sorted set
-- KEYS[3] titles       sorted set
--
-- ARGV[1] .. for each conversation five: id, its score in the first when it was read or '', its last activity (ms),
--            its creation (ms), its entry among the titles
--
-- Returns how many times of activity were set.

local set = 0
for i = 1, #ARGV, 5 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if not score or (ARGV[i + 1] ~= '' and tonumber(score) == tonumber(ARGV[i + 1])) then
    redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
    set = set + 1
  end
  redis.call('ZADD', KEYS[2], ARGV[i + 3], ARGV[i])
  redis.call('ZADD', KEYS[3], 0, ARGV[i + 4])
end
return set
