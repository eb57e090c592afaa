-- Make a member of a project its owner; who has owned it stays a member.
--
-- KEYS[1] project      hash
--
-- ARGV[1] principal
--
-- Returns 1 if it is the owner now, 0 if it is no member, or false if there is no such project.

local members = redis.call('HGETALL', KEYS[1])
if #members == 0 then return false end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
for i = 1, #members, 2 do
  if members[i + 1] == 'owner' then redis.call('HSET', KEYS[1], members[i], 'member') end
end
redis.call('HSET', KEYS[1], ARGV[1], 'owner')
return 1
