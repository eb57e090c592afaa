-- Put an entry aside that the consumer of a group cannot take, so that the group goes on behind it.
--
-- KEYS[1] feed         stream
-- KEYS[2] feed groups  hash, see feed_register.lua
-- KEYS[3] feed aside   stream
--
-- ARGV[1] group
-- ARGV[2] id of the entry
-- ARGV[3] number of the entry
-- ARGV[4] what is wrong
-- ARGV[5] entries that are kept aside at most
-- ARGV[6] how long they are kept (s)
--
-- Returns 1, or 0 if the group has read on meanwhile.

local cursor = redis.call('HGET', KEYS[2], 'cursor:' .. ARGV[1])
if not cursor or not comes_after(ARGV[2], string.match(cursor, '^%S+')) then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
redis.call('HSET', KEYS[2], 'cursor:' .. ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('HINCRBY', KEYS[2], 'aside:' .. ARGV[1], 1)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'group', ARGV[1], 'id', ARGV[2], 'error', ARGV[4],
  unpack(entry and entry[2] or {}))
redis.call('EXPIRE', KEYS[3], ARGV[6])
trim_feed(KEYS[1], KEYS[2])
return 1
