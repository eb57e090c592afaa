-- Note which client tools a watcher can run, for a while; entries whose time is over go.
--
-- KEYS[1] client tools  sorted set, 'watcher tool,tool' by the time (ms) until which it holds
--
-- ARGV[1] the watcher and its tools, as above
-- ARGV[2] for how long (ms)
--
-- Returns 1.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
