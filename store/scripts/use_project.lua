-- The role of a principal in a project; the first who uses a project owns it.
--
-- KEYS[1] project      hash
--
-- ARGV[1] principal
--
-- Returns the role, or false if the principal is no member.

if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], ARGV[1], 'owner') end
return redis.call('HGET', KEYS[1], ARGV[1])
