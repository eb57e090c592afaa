-- Keep a new job, unless an open one has the same unique name.
--
-- KEYS[1] job          hash
-- KEYS[2] all          sorted set, job id -> when it was made (ms)
-- KEYS[3] owned        sorted set, the same for the owner's
-- KEYS[4] open         sorted set, job id -> when it is due (ms)
-- KEYS[5] names        hash, unique name -> id of the open job that has it
-- KEYS[6] of tenant    sorted set, as owned, for all principals of the owner's tenant
--
-- ARGV[1] job id
-- ARGV[2] now (ms)
-- ARGV[3] due time (ms)
-- ARGV[4] the name by which it is unique while it is open, or ''
-- ARGV[5] entries older than this (ms) are forgotten
-- ARGV[6] .. pairs of field and value
--
-- Returns the id of the job that is kept: another one, if that has the name. The same id again is the same job,
-- repeated because its answer was lost.

if redis.call('EXISTS', KEYS[1]) == 1 then return ARGV[1] end
if ARGV[4] ~= '' then
  local other = redis.call('HGET', KEYS[5], ARGV[4])
  if other then return other end
  redis.call('HSET', KEYS[5], ARGV[4], ARGV[1])
end
redis.call('HSET', KEYS[1], 'state', 'waiting', 'attempts', '0', 'due_at', ARGV[3], 'unique_name', ARGV[4],
  unpack(ARGV, 6))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', '(' .. ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[6], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
return ARGV[1]
