-- Write what was decided about a chat, if nothing else has been decided meanwhile, with the updates that it knows now.
--
-- KEYS[1] chat  hash
-- KEYS[2] seen  sorted set, update id -> when it was accepted (ms)
--
-- ARGV[1] the revision that was read, or '0' to make a new one
-- ARGV[2] now (ms)
-- ARGV[3] for how long an update is known (ms)
-- ARGV[4] for how long the chat is kept (ms)
-- ARGV[5] channel
-- ARGV[6] chat
-- ARGV[7] state
-- ARGV[8] .. update ids
--
-- Returns the new revision, or 0 if it has another one.

local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then return 0 end
for i = 8, #ARGV do redis.call('ZADD', KEYS[2], 'NX', ARGV[2], ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', tonumber(ARGV[2]) - tonumber(ARGV[3])))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local following = string.format('%.0f', tonumber(revision) + 1)
redis.call('HSET', KEYS[1], 'channel', ARGV[5], 'chat', ARGV[6], 'state', ARGV[7], 'updated_at', ARGV[2],
  'revision', following)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return tonumber(following)
