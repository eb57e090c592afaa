-- Set a conversation's title, unless the conversation is gone.
--
-- KEYS[1] meta         hash
--
-- ARGV[1] title
-- ARGV[2] now (ms)
-- ARGV[3] '1' to keep an existing title
--
-- Returns {1 or 0: whether the title was set, principal, parent or false}, or false if there is no such conversation.

local meta = redis.call('HMGET', KEYS[1], 'principal', 'parent', 'title')
if not meta[1] then return false end
if meta[3] and ARGV[3] == '1' then return {0, meta[1], meta[2]} end
redis.call('HSET', KEYS[1], 'title', ARGV[1], 'updated_at', ARGV[2])
return {1, meta[1], meta[2]}
