-- Make a principal a member of a project that exists.
--
-- KEYS[1] project      hash
--
-- ARGV[1] principal
-- ARGV[2] how many a project may have
--
-- Returns 1 if it is a member now, 0 if there is no room, or false if there is no such project.

local count = redis.call('HLEN', KEYS[1])
if count == 0 then return false end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
if count >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], 'member')
return 1
