-- Raise a conversation's epoch, which fences every earlier writer.
--
-- The epoch follows the server's clock (microseconds) instead of adding one: a server that was killed may have lost the
-- last claim, and the next claim must not give out the same epoch again.
--
-- A writer that ended without a word while its turn was due is lost: its epoch is added to those lost in a row, until
-- an append is progress. Writers that cannot be reached are lost only if they have said that they failed. The epoch of
-- one that was alone in its process, or failed by itself, is marked by '!': no other conversation can have ended it.
--
-- Why the writer before has ended is kept as `ended`, with its epoch. It is a crash if it could be reached and has said
-- nothing; of writers with older code, which said nothing when they left at rest, that is not known.
--
-- The feed is told the place of a conversation in which something has been said, when it is another one than before.
--
-- KEYS[1] meta         hash
-- KEYS[2] unfinished   sorted set
-- KEYS[3] feed         stream
-- KEYS[4] feed groups  hash
--
-- ARGV[1] place: where the writer lives, or '' for a writer that cannot be reached
-- ARGV[2] live channel, on which the watchers are told the new epoch
-- ARGV[3] cluster to which the writer belongs, or ''
-- ARGV[4] format: the newest format of records that the writer can read, or '' for a writer without records
-- ARGV[5] conversation id
-- ARGV[6] the epoch that must be current, or ''
-- ARGV[7] '1' if no other conversation lives in the writer's process, or ''
-- ARGV[8] claim id: the same id again is the same claim, repeated because its answer was lost
-- ARGV[9] notices for the feed, as JSON
--
-- Returns the meta hash as a flat list of fields and values, or an empty list if there is no such conversation;
-- the format as a number, with nothing changed, if a writer that can read a newer one has had the conversation; a list
-- of the current epoch alone, with nothing changed, if that is another one than ARGV[6].

local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {} end
if redis.call('HGET', KEYS[1], 'claim_id') == ARGV[8] then return redis.call('HGETALL', KEYS[1]) end
if ARGV[6] ~= '' and ARGV[6] ~= epoch then return {epoch} end
if ARGV[4] ~= '' then
  local newest = tonumber(redis.call('HGET', KEYS[1], 'format') or 0)
  if newest > tonumber(ARGV[4]) then return newest end
  redis.call('HSET', KEYS[1], 'format', ARGV[4])
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local new = string.format('%.0f', math.max(tonumber(epoch) + 1, now))
local before = redis.call('HMGET', KEYS[1], 'place', 'exit', 'lost', 'process')
local due = redis.call('ZSCORE', KEYS[2], ARGV[5])
local lost = before[3] or ''
local has_failed = before[2] == 'failed'
local by_itself = has_failed or before[4] == epoch .. '!'
local is_lost = due and tonumber(due) * 1000 <= now and (has_failed or (before[1] and not before[2]))
if is_lost and (by_itself or #lost < 100) then
  redis.call('HSET', KEYS[1], 'lost', lost .. epoch .. (by_itself and '! ' or ' '))
end
-- Before any removal: a server without memory refuses the first write of a script only.
redis.call('HSET', KEYS[1], 'epoch', new, 'claim_id', ARGV[8], 'process', ARGV[7] == '' and new or new .. '!')
local says_its_end = by_itself or before[4] == epoch
local ended = before[2] or (before[1] and says_its_end and 'crash')
if ended then redis.call('HSET', KEYS[1], 'ended', ended .. ' ' .. epoch) end
redis.call('HDEL', KEYS[1], 'exit')
for i, name in ipairs({'place', 'cluster'}) do
  local value = ARGV[2 * i - 1]
  if value == '' then redis.call('HDEL', KEYS[1], name) else redis.call('HSET', KEYS[1], name, value) end
end
redis.call('PUBLISH', ARGV[2], '{"epoch":' .. new .. ',"events":[]}')
if ARGV[1] ~= '' and ARGV[1] ~= before[1] and redis.call('HGET', KEYS[1], 'last_seq') ~= '0' then
  tell_feed(KEYS[3], KEYS[4], KEYS[1], ARGV[5], string.format('%.0f', math.floor(now / 1000)), ARGV[9])
end
return redis.call('HGETALL', KEYS[1])
