-- Change a batch that is in one of some states.
--
-- KEYS[1] record       hash
--
-- ARGV[1] the states in which it may be, each between commas: ',queued,running,'; or ',,' to make it, if there is none
-- ARGV[2] the channel on which the driver of the batch is told
-- ARGV[3] the job that must be the one that drives it, or '' for any
-- ARGV[4] .. pairs of field and value
--
-- Returns the hash as it is now, as a flat list of fields and values; or {} if there is no such batch, or it is in
-- another state, or another job's. One that is to be made and is there already is returned as it is.

local state = redis.call('HGET', KEYS[1], 'state')
if ARGV[1] == ',,' then
  if not state then redis.call('HSET', KEYS[1], unpack(ARGV, 4)) end
  return redis.call('HGETALL', KEYS[1])
end
if not state or not string.find(ARGV[1], ',' .. state .. ',', 1, true) then return {} end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], 'job') ~= ARGV[3] then return {} end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PUBLISH', ARGV[2], '1')
return redis.call('HGETALL', KEYS[1])
