-- Add a file to a copy of a conversation that is not complete yet.
--
-- KEYS[1] head         hash
-- KEYS[2] files        hash, path -> 'version size updated_at'
-- KEYS[3] contents     hash, path -> bytes
-- KEYS[4] totals       hash: floor (see file_write.lua), bytes
--
-- ARGV[1] lifetime of the copy (s)
-- ARGV[2] path
-- ARGV[3] content
-- ARGV[4] version
-- ARGV[5] time (ms) of its last change
--
-- Returns 1, or 0 if the copy is not there any more.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local size = string.format('%d', #ARGV[3])
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[4] .. ' ' .. size .. ' ' .. ARGV[5]) == 1 then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
  redis.call('HINCRBY', KEYS[4], 'bytes', size)
  local floor = tonumber(redis.call('HGET', KEYS[4], 'floor') or 0)
  redis.call('HSET', KEYS[4], 'floor', string.format('%.0f', math.max(floor, tonumber(ARGV[4]))))
end
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[1]) end
return 1
