-- Set a conversation's title, unless the conversation is gone, and tell the watchers and the feed.
--
-- KEYS[1] meta         hash
-- KEYS[2] feed         stream
-- KEYS[3] feed groups  hash
--
-- ARGV[1] title
-- ARGV[2] now (ms)
-- ARGV[3] '1' to keep an existing title
-- ARGV[4] live channel
-- ARGV[5] live events for the watchers, as a JSON array, or ''
-- ARGV[6] conversation id
-- ARGV[7] notices for the feed, as JSON
--
-- Returns {1 or 0: whether the title was set, the title before or false}, or false if there is no such conversation.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'title')
if not meta[1] then return false end
if meta[2] and ARGV[3] == '1' then return {0, meta[2]} end
redis.call('HSET', KEYS[1], 'title', ARGV[1], 'updated_at', ARGV[2])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], '{"epoch":' .. meta[1] .. ',"events":' .. ARGV[5] .. '}') end
tell_feed(KEYS[2], KEYS[3], KEYS[1], ARGV[6], ARGV[2], ARGV[7])
return {1, meta[2]}
