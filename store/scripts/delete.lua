-- Delete a conversation: its log, its metadata, its client ids, its files, what was recorded about it and its entry
-- among the unfinished turns; unless it still has children.
--
-- KEYS[1] meta         hash
-- KEYS[2] unfinished   sorted set
-- KEYS[3] children     hash, conversation id -> mark (see add_child.lua)
-- KEYS[4] .. all other keys of the conversation
--
-- ARGV[1] conversation id
-- ARGV[2] .. pairs of id and mark of children that did not exist after they had been seen with that mark. A child
--            that is about to be created will find its parent gone and delete itself; a child that was created since
--            has another mark, and stays.
--
-- Returns 1, or 2 if the archive may have records of it, or 0 if there are other children, to be deleted first.

for i = 2, #ARGV, 2 do
  local mark = redis.call('HGET', KEYS[3], ARGV[i])
  if mark and (mark == ARGV[i + 1] or string.sub(mark, 1, 1) == '?') then redis.call('HDEL', KEYS[3], ARGV[i]) end
end
if redis.call('HLEN', KEYS[3]) > 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
local archived = redis.call('HEXISTS', KEYS[1], 'archived_seq')
redis.call('UNLINK', KEYS[1], unpack(KEYS, 3))
return 1 + archived
