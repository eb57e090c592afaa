-- Append a batch of records to a log if the writer's epoch is current and its expected last seq is right, and in the
-- same step store the state, index the unfinished turn or remove it, note client ids, take the conversation out of the
-- archived ones, record what the conversation has used, publish the notice and tell the feed.
--
-- KEYS[1] log          stream
-- KEYS[2] meta         hash
-- KEYS[3] clients      hash, client id -> seq
-- KEYS[4] unfinished   sorted set, conversation id -> due time
-- KEYS[5] feed         stream
-- KEYS[6] feed groups  hash
-- KEYS[7] usage        hash, see record_usage.lua
--
-- ARGV[1] epoch of the writer
-- ARGV[2] expected last seq
-- ARGV[3] append id: the same id again is the same append, repeated because its answer was lost
-- ARGV[4] state (opaque)
-- ARGV[5] now (ms)
-- ARGV[6] due time (ms), or '' when nothing is unfinished
-- ARGV[7] conversation id
-- ARGV[8] live channel
-- ARGV[9] notice to publish, or ''
-- ARGV[10] seq of the summary among the records, or ''
-- ARGV[11] '1' if the batch is progress of a turn, which the writers lost before have not stopped, or ''
-- ARGV[12] '1' if the batch restores an archived conversation, or ''
-- ARGV[13] notices for the feed, as JSON, or ''
-- ARGV[14] key of the writer of usage, or '' when there is nothing to record
-- ARGV[15] tokens
-- ARGV[16] cost
-- ARGV[17] what the unfinished turn is called in a trace, '-' to forget that, or '' to leave it
-- ARGV[18] n, the number of records
-- ARGV[19] .. ARGV[18 + n] the records, each with the epoch of its writer
-- then pairs of client id and seq
--
-- Returns {'written', last seq} | {'gone'} | {'fenced', current epoch} | {'duplicate', client id, seq}
--       | {'conflict', last seq}

local meta = redis.call('HMGET', KEYS[2], 'epoch', 'last_seq', 'append_id', 'lost', 'archived_at', 'principal', 'root')
local epoch, last_seq, append_id = meta[1], meta[2], meta[3]
if not epoch then return {'gone'} end
if epoch ~= ARGV[1] then return {'fenced', epoch} end
if append_id == ARGV[3] then return {'written', last_seq} end

local count = tonumber(ARGV[18])
local first_client = 19 + count
for i = first_client, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[3], ARGV[i])
  if known then return {'duplicate', ARGV[i], known} end
end
if last_seq ~= ARGV[2] then return {'conflict', last_seq} end

local seq = tonumber(last_seq)
for i = 19, 18 + count do
  seq = seq + 1
  redis.call('XADD', KEYS[1], string.format('%d-0', seq), 'd', ARGV[i], 'e', epoch)
end
last_seq = string.format('%d', seq)
redis.call('HSET', KEYS[2], 'last_seq', last_seq, 'append_id', ARGV[3], 'state', ARGV[4], 'updated_at', ARGV[5])
if ARGV[11] ~= '' and meta[4] then redis.call('HDEL', KEYS[2], 'lost') end
if ARGV[10] ~= '' then redis.call('HSET', KEYS[2], 'summary_seq', ARGV[10]) end
if ARGV[17] == '-' then
  redis.call('HDEL', KEYS[2], 'trace')
elseif ARGV[17] ~= '' then
  redis.call('HSET', KEYS[2], 'trace', ARGV[17])
end
for i = first_client, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
if ARGV[6] == '' then
  redis.call('ZREM', KEYS[4], ARGV[7])
else
  redis.call('ZADD', KEYS[4], ARGV[6], ARGV[7])
end
if ARGV[14] ~= '' then add_usage(KEYS[7], ARGV[14], ARGV[15], ARGV[16]) end
if ARGV[9] ~= '' then redis.call('PUBLISH', ARGV[8], ARGV[9]) end
local who = {meta[6], meta[7]}
if ARGV[12] ~= '' and meta[5] then
  redis.call('HDEL', KEYS[2], 'archived_at')
  tell_feed(KEYS[5], KEYS[6], KEYS[2], ARGV[7], ARGV[5], '[["conversation_restored",{"by":null}]]', who)
end
if ARGV[13] ~= '' then tell_feed(KEYS[5], KEYS[6], KEYS[2], ARGV[7], ARGV[5], ARGV[13], who) end
return {'written', last_seq}
