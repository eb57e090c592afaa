-- Raise a conversation's epoch, which fences every earlier writer.
--
-- The epoch follows the server's clock (microseconds) instead of adding one: a server that was killed may have lost the
-- last claim, and the next claim must not give out the same epoch again.
--
-- A writer that ended without a word while its turn was due is lost: its epoch is added to those lost in a row, until an
-- append is progress. Writers that cannot be reached are lost only if they have said that they failed.
--
-- KEYS[1] meta         hash
-- KEYS[2] unfinished   sorted set
--
-- ARGV[1] place: where the writer lives, or '' for a writer that cannot be reached
-- ARGV[2] live channel, on which the watchers are told the new epoch
-- ARGV[3] cluster to which that place belongs
-- ARGV[4] format: the newest format of records that the writer can read, or '' for a writer without records
-- ARGV[5] conversation id
--
-- Returns the meta hash as a flat list of fields and values, or an empty list if there is no such conversation;
-- the format as a number, with nothing changed, if a writer that can read a newer one has had the conversation.

local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {} end
if ARGV[4] ~= '' then
  local newest = tonumber(redis.call('HGET', KEYS[1], 'format') or 0)
  if newest > tonumber(ARGV[4]) then return newest end
  redis.call('HSET', KEYS[1], 'format', ARGV[4])
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local new = string.format('%.0f', math.max(tonumber(epoch) + 1, now))
local before = redis.call('HMGET', KEYS[1], 'place', 'exit', 'lost')
local due = redis.call('ZSCORE', KEYS[2], ARGV[5])
local lost = before[3] or ''
if due and tonumber(due) * 1000 <= now and (before[2] == 'failed' or (before[1] and not before[2])) and #lost < 100 then
  redis.call('HSET', KEYS[1], 'lost', lost .. epoch .. ' ')
end
-- Before any removal: a server without memory refuses the first write of a script only.
redis.call('HSET', KEYS[1], 'epoch', new)
redis.call('HDEL', KEYS[1], 'exit')
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'place', 'cluster')
else
  redis.call('HSET', KEYS[1], 'place', ARGV[1], 'cluster', ARGV[3])
end
redis.call('PUBLISH', ARGV[2], '{"epoch":' .. new .. ',"events":[]}')
return redis.call('HGETALL', KEYS[1])
