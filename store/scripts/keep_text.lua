-- Keep the text of a conversation for searches, unless the conversation is gone, or another one.
--
-- KEYS[1] text         string
-- KEYS[2] meta         hash
--
-- ARGV[1] text (opaque)
-- ARGV[2] lifetime (s)
-- ARGV[3] when the conversation that was read was created (ms)
--
-- Returns 1, or 0 if there is no such conversation.

if redis.call('HGET', KEYS[2], 'created_at') ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
