-- Note that a channel, or one chat of it, takes no message until a time; a later time that is known already stays.
--
-- KEYS[1] channel or chat    hash: closed (ms, until when it takes nothing), next as in take_send_slot
--
-- ARGV[1] until (ms)
-- ARGV[2] lifetime of the key (ms), longer than until then
--
-- Returns until when it is closed (ms)

local known = tonumber(redis.call('HGET', KEYS[1], 'closed') or 0)
if tonumber(ARGV[1]) <= known then return known end
redis.call('HSET', KEYS[1], 'closed', ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1])))
return tonumber(ARGV[1])
