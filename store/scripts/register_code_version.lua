-- Number the versions of the code in the order in which they were deployed.
--
-- A known deployment keeps its number, so that a process of an old deployment that starts again does not count as new.
-- An unknown deployment gets the current number if its code is the current code, and the next number otherwise.
--
-- KEYS[1] code version hash: number, code
-- KEYS[2] deployments  sorted set: deployments by their number
--
-- ARGV[1] deployment, or '' for a caller that only asks
-- ARGV[2] code: a digest
-- ARGV[3] how many deployments to remember
--
-- Returns the number; 0 for a caller that only asks and whose code is not the current one.

local known = ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[2], ARGV[1])
if known then return tonumber(known) end
local current = redis.call('HMGET', KEYS[1], 'number', 'code')
local number = tonumber(current[1] or 0)
if current[2] ~= ARGV[2] then
  if ARGV[1] == '' then return 0 end
  number = number + 1
  redis.call('HSET', KEYS[1], 'number', number, 'code', ARGV[2])
end
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[2], number, ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[3]))
end
return number
