-- Read a file with what is known about it, both of one moment.
--
-- KEYS[1] files        hash, path -> 'version size updated_at'
-- KEYS[2] contents     hash, path -> bytes
--
-- ARGV[1] path
--
-- Returns {what is known, content}, or false if there is no such file.

local known = redis.call('HGET', KEYS[1], ARGV[1])
return known and {known, redis.call('HGET', KEYS[2], ARGV[1])}
