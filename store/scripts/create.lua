-- Create a conversation with an empty log, and tell the feed.
--
-- The first epoch is the server's clock in microseconds, as in claim.lua. A deleted conversation with the same id had a
-- smaller one, so its writers stay fenced.
--
-- KEYS[1] meta         hash
-- KEYS[2] feed         stream
-- KEYS[3] feed groups  hash
--
-- ARGV[1] append id: the same id again is the same creation, repeated because its answer was lost
-- ARGV[2] now (ms)
-- ARGV[3] conversation id
-- ARGV[4] notices for the feed, as JSON
-- ARGV[5] .. pairs of field and value: agent, principal, channel, title, placement, project; parent,
--     parent_call, parent_seq, root, depth
--
-- Returns the meta hash as a flat list of fields and values, or an empty list if the id is taken.

local append_id = redis.call('HGET', KEYS[1], 'append_id')
if append_id and append_id ~= ARGV[1] then return {} end
if not append_id then
  local time = redis.call('TIME')
  local epoch = time[1] .. string.format('%06d', tonumber(time[2]))
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'last_seq', '0', 'append_id', ARGV[1],
    'created_at', ARGV[2], 'updated_at', ARGV[2], unpack(ARGV, 5))
  tell_feed(KEYS[2], KEYS[3], KEYS[1], ARGV[3], ARGV[2], ARGV[4])
end
return redis.call('HGETALL', KEYS[1])
