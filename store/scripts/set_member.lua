-- Make a principal a member of a conversation, change the role of one, or end a membership; tell the processes that
-- remember who has access, and the feed.
--
-- KEYS[1] meta         hash
-- KEYS[2] feed         stream
-- KEYS[3] feed groups  hash
--
-- ARGV[1] field of the member
-- ARGV[2] role, or '' to end the membership
-- ARGV[3] channel
-- ARGV[4] notice to publish
-- ARGV[5] conversation id
-- ARGV[6] now (ms)
-- ARGV[7] notices for the feed, as JSON
--
-- Returns 1 if something has changed, 0 if it was so before, or false if there is no such conversation.

if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return false end
local role = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if role == ARGV[2] then return 0 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
tell_feed(KEYS[2], KEYS[3], KEYS[1], ARGV[5], ARGV[6], ARGV[7])
return 1
