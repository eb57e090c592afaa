-- Make a complete copy a conversation, in one step: until then no list and no door shows anything of it. The feed is
-- told that there is one more conversation.
--
-- The first epoch is the server's clock, as in create.lua.
--
-- KEYS[1] meta         hash
-- KEYS[2] children     hash, conversation id -> mark (see add_child.lua)
-- KEYS[3] head         hash of the copy
-- KEYS[4] feed         stream
-- KEYS[5] feed groups  hash
-- KEYS[6] the copy's log, KEYS[7] the conversation's, which it becomes
-- KEYS[8] the copy's files, KEYS[9] the conversation's
-- KEYS[10] .. further such pairs
--
-- ARGV[1] copy id: the same id again is the same copy
-- ARGV[2] last seq
-- ARGV[3] the number of files
-- ARGV[4] conversation id
-- ARGV[5] notices for the feed, as JSON
-- ARGV[6] n, the number of children
-- ARGV[7] .. ARGV[6 + n] ids of children, which exist already
-- then pairs of field and value
--
-- Returns the meta hash as a flat list of fields and values, or an empty list if the id is taken; 0 if the copy is not
-- complete: it has expired, or a part was lost with its server.

local copy = redis.call('HGET', KEYS[1], 'copy')
if copy == ARGV[1] then return redis.call('HGETALL', KEYS[1]) end
if redis.call('EXISTS', KEYS[1]) == 1 then return {} end
if redis.call('HGET', KEYS[3], 'last_seq') ~= ARGV[2] then return 0 end
if redis.call('XLEN', KEYS[6]) ~= tonumber(ARGV[2]) then return 0 end
if redis.call('HLEN', KEYS[8]) ~= tonumber(ARGV[3]) then return 0 end

local time = redis.call('TIME')
local epoch = time[1] .. string.format('%06d', tonumber(time[2]))
local count = tonumber(ARGV[6])
redis.call('HSET', KEYS[1], 'epoch', epoch, 'last_seq', ARGV[2], 'copy', ARGV[1], 'append_id', ARGV[1],
  unpack(ARGV, 7 + count))
for i = 7, 6 + count do redis.call('HSET', KEYS[2], ARGV[i], '!' .. ARGV[1]) end
for i = 6, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('RENAME', KEYS[i], KEYS[i + 1])
    redis.call('PERSIST', KEYS[i + 1])
  end
end
redis.call('UNLINK', KEYS[3])
tell_feed(KEYS[4], KEYS[5], KEYS[1], ARGV[4], time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000)),
  ARGV[5])
return redis.call('HGETALL', KEYS[1])
