-- Drop a group that has had no consumer for long; with the last one the feed ends.
--
-- KEYS[1] feed         stream
-- KEYS[2] feed groups  hash, see feed_register.lua
--
-- ARGV[1] group
-- ARGV[2] it is dropped if it has had no consumer since then (ms)
--
-- Returns 1 if it was dropped, or 0.

local seen = redis.call('HGET', KEYS[2], 'seen:' .. ARGV[1])
if not seen or tonumber(seen) >= tonumber(ARGV[2]) then return 0 end
for _, field in ipairs({'cursor:', 'seen:', 'lost:', 'aside:'}) do redis.call('HDEL', KEYS[2], field .. ARGV[1]) end
trim_feed(KEYS[1], KEYS[2])
return 1
