-- Delete a conversation: its log, its metadata, its client ids, its files, what was recorded about it and its entry
-- among the unfinished turns; unless it still has children. The watchers and the feed are told that it is gone.
--
-- KEYS[1] meta         hash
-- KEYS[2] unfinished   sorted set
-- KEYS[3] feed         stream
-- KEYS[4] feed groups  hash
-- KEYS[5] children     hash, conversation id -> mark (see add_child.lua)
-- KEYS[6] receipts     sorted set, the keys of the receipts of its files
-- KEYS[7] .. all other keys of the conversation
--
-- ARGV[1] conversation id
-- ARGV[2] live channel
-- ARGV[3] principal who deletes it, or ''
-- ARGV[4] .. pairs of id and mark of children that did not exist after they had been seen with that mark. A child
--            that is about to be created will find its parent gone and delete itself; a child that was created since
--            has another mark, and stays.
--
-- Returns {1, or 2 if the archive may have records of it, the meta hash as a flat list of fields and values}, or 0 if
-- there are other children, to be deleted first.

for i = 4, #ARGV, 2 do
  local mark = redis.call('HGET', KEYS[5], ARGV[i])
  if mark and (mark == ARGV[i + 1] or string.sub(mark, 1, 1) == '?') then redis.call('HDEL', KEYS[5], ARGV[i]) end
end
if redis.call('HLEN', KEYS[5]) > 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
local archived = redis.call('HEXISTS', KEYS[1], 'archived_seq')
local epoch, meta = redis.call('HGET', KEYS[1], 'epoch'), redis.call('HGETALL', KEYS[1])
if epoch then
  local time = redis.call('TIME')
  local at = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
  local members = {}
  for i = 1, #meta, 2 do
    if string.sub(meta[i], 1, 7) == 'member:' then members[#members + 1] = string.sub(meta[i], 8) end
  end
  local listed = #members == 0 and '[]' or cjson.encode(members)
  local by = ARGV[3] == '' and 'null' or cjson.encode(ARGV[3])
  tell_feed(KEYS[3], KEYS[4], KEYS[1], ARGV[1], at,
    '[["conversation_deleted",{"members":' .. listed .. ',"by":' .. by .. '}]]')
end
for _, receipt in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do redis.call('UNLINK', receipt) end
redis.call('UNLINK', KEYS[1], unpack(KEYS, 5))
if epoch then redis.call('PUBLISH', ARGV[2], '{"epoch":' .. epoch .. ',"events":[],"gone":true}') end
return {1 + archived, meta}
