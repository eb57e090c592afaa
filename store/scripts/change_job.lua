-- Change a job that is in one of some states, and that the caller has claimed, if it says so.
--
-- KEYS[1] job          hash
-- KEYS[2] open         sorted set, job id -> when it is due (ms)
-- KEYS[3] names        hash, unique name -> id of the open job that has it
--
-- ARGV[1] job id
-- ARGV[2] the claim that the job must have, or '' for any
-- ARGV[3] the states in which it may be, each between commas: ',waiting,running,'
-- ARGV[4] '1' if this begins another attempt, '-1' if it takes the last one back, else '0'
-- ARGV[5] due time (ms); 'over' if this is the job's end; or '' if neither changes
-- ARGV[6] how long the job is kept after its end (ms)
-- ARGV[7] .. pairs of field and value
--
-- Returns the hash as it is now, as a flat list of fields and values; or {} if there is no such job, or the states or
-- the claim are others.

local found = redis.call('HMGET', KEYS[1], 'state', 'claim', 'unique_name')
if not found[1] or not string.find(ARGV[3], ',' .. found[1] .. ',', 1, true) then return {} end
if ARGV[2] ~= '' and found[2] ~= ARGV[2] then return {} end
if ARGV[4] ~= '0' then redis.call('HINCRBY', KEYS[1], 'attempts', ARGV[4]) end
if #ARGV > 6 then redis.call('HSET', KEYS[1], unpack(ARGV, 7)) end
local changed
if ARGV[5] == 'over' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  if found[3] and found[3] ~= '' and redis.call('HGET', KEYS[3], found[3]) == ARGV[1] then
    redis.call('HDEL', KEYS[3], found[3])
  end
  changed = redis.call('HGETALL', KEYS[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
elseif ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'due_at', ARGV[5])
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
end
return changed or redis.call('HGETALL', KEYS[1])
