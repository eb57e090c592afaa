-- Tell a person what has happened, if the person has a feed: nothing is kept for people who do not look.
--
-- KEYS[1] personal_feed  stream
-- KEYS[2] told           hash
--
-- ARGV[1] channel
-- ARGV[2] how many entries are kept, about
-- ARGV[3] of how many conversations it is remembered what was told last
-- ARGV[4] and on, for each event: its conversation, the id of its entry in the partition's feed, the event as JSON, and
--         '1' if the conversation is gone with it: then nothing else that was told of it is kept
--
-- An event that comes again, or after a later one of its conversation, is not told again.
--
-- Returns how many events were told.

local function forget(conversation)
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
    if entry[2][1] == 'of' and entry[2][2] == conversation then redis.call('XDEL', KEYS[1], entry[1]) end
  end
end

local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 0 end
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[3]) then redis.call('DEL', KEYS[2]) end
local count = 0
for i = 4, #ARGV, 4 do
  local last = redis.call('HGET', KEYS[2], ARGV[i])
  if not last or comes_after(ARGV[i + 1], last) then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    if ARGV[i + 3] == '1' then forget(ARGV[i]) end
    local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'of', ARGV[i], 'event', ARGV[i + 2])
    redis.call('PUBLISH', ARGV[1], '{"id":"' .. id .. '","event":' .. ARGV[i + 2] .. '}')
    count = count + 1
  end
end
redis.call('PEXPIRE', KEYS[2], left)
return count
