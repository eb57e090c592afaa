-- Set by what repeated commands are found in a part of a log, and remove what points into that part and is wrong.
-- A record that is not there any more has been taken by the archive meanwhile, with its ids.
--
-- KEYS[1] log          stream
-- KEYS[2] clients      hash, client id -> seq
--
-- ARGV[1] first seq of the part
-- ARGV[2] last seq of the part
-- ARGV[3] .. pairs of client id and seq, of records in the part
--
-- Returns how many entries were wrong or missing.

local right, changed = {}, 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i + 1] .. '-0'
  if #redis.call('XRANGE', KEYS[1], id, id) == 1 then
    right[ARGV[i]] = ARGV[i + 1]
    if redis.call('HGET', KEYS[2], ARGV[i]) ~= ARGV[i + 1] then
      redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
      changed = changed + 1
    end
  end
end
local known = redis.call('HGETALL', KEYS[2])
for i = 1, #known, 2 do
  local seq = tonumber(known[i + 1])
  local is_within = not seq or (seq >= tonumber(ARGV[1]) and seq <= tonumber(ARGV[2]))
  if is_within and not right[known[i]] then
    redis.call('HDEL', KEYS[2], known[i])
    changed = changed + 1
  end
end
return changed
