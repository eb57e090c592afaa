-- Begin the feed of a person, if there is none, and have it live for another while.
--
-- KEYS[1] personal_feed  stream
-- KEYS[2] told           hash
--
-- ARGV[1] for how long it lives from now, in ms
--
-- Returns the id of its newest entry. The first one tells nothing: it is there so that each feed has a newest entry.

local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
newest = newest and newest[1] or redis.call('XADD', KEYS[1], '*', 'begun', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return newest
