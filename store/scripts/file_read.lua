-- Read a file's content and its entry in `files` in one step.
--
-- KEYS[1] files        hash, path -> 'version size updated_at'
-- KEYS[2] contents     hash, path -> bytes
--
-- ARGV[1] path
--
-- Returns {entry, content}, or false if there is no such file.

local known = redis.call('HGET', KEYS[1], ARGV[1])
return known and {known, redis.call('HGET', KEYS[2], ARGV[1])}
