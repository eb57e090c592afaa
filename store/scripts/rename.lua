-- Set a conversation's title, unless the conversation is gone.
--
-- KEYS[1] meta         hash
--
-- ARGV[1] title
-- ARGV[2] now (ms)
--
-- Returns the principal, or false if there is no such conversation.

local principal = redis.call('HGET', KEYS[1], 'principal')
if principal then redis.call('HSET', KEYS[1], 'title', ARGV[1], 'updated_at', ARGV[2]) end
return principal
