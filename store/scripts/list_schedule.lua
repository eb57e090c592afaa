-- Enter a schedule in the lists of its owner, or take it out; and note which conversation its runs speak to.
--
-- KEYS[1] owned        sorted set, schedule id -> when it was made (ms)
-- KEYS[2] of tenant    sorted set, the same for all principals of the owner's tenant
-- KEYS[3] all          sorted set, the same for all
-- KEYS[4] standing     hash, conversation id -> ids of the schedules whose runs are messages to it, each with a space
--
-- ARGV[1] schedule id
-- ARGV[2] when it was made (ms), or '' to take it out
-- ARGV[3] how many an owner may have
-- ARGV[4] the conversation that its runs speak to from now on, or ''
-- ARGV[5] one that they speak to no more, or ''
--
-- Returns 1, or 0 if the owner has as many schedules as it may.

local function note(conversation, is_added)
  local others = string.gsub(redis.call('HGET', KEYS[4], conversation) or '', ARGV[1] .. ' ', '')
  local ids = is_added and others .. ARGV[1] .. ' ' or others
  if ids == '' then redis.call('HDEL', KEYS[4], conversation) else redis.call('HSET', KEYS[4], conversation, ids) end
end

if ARGV[2] == '' then
  for i = 1, 3 do redis.call('ZREM', KEYS[i], ARGV[1]) end
elseif not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
  for i = 1, 3 do redis.call('ZADD', KEYS[i], ARGV[2], ARGV[1]) end
end
if ARGV[5] ~= '' then note(ARGV[5], false) end
if ARGV[4] ~= '' then note(ARGV[4], true) end
return 1
