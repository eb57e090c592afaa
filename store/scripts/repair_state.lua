-- Set what is cached of a log, its state and when the recovery sweep must look after it, unless the log has gone on.
--
-- KEYS[1] meta         hash
-- KEYS[2] unfinished   sorted set, conversation id -> due time
--
-- ARGV[1] conversation id
-- ARGV[2] the last seq that was read, or '' if there was no conversation
-- ARGV[3] state (opaque), or '' to leave it
-- ARGV[4] due time (ms), or '' when nothing is unfinished
--
-- Returns 1 if they are right now, or 0 if the log has gone on.

local last_seq = redis.call('HGET', KEYS[1], 'last_seq') or ''
if last_seq ~= ARGV[2] then return 0 end
if last_seq == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 1
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'state', ARGV[3]) end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
return 1
