-- Note how far groups have read a partition's feed, and remove what every group has. A cursor only goes forward, and
-- not beyond the end: a reader that has lost its lease, or a server that has lost its last entries, does no harm.
--
-- KEYS[1] feed         stream
-- KEYS[2] feed groups  hash, see feed_register.lua
--
-- ARGV[1] .. for each group its name, the id and the number of the last entry that it has, and how many entries before
--            that were cut off before it had them
--
-- Returns how many cursors have moved.

local moved = 0
local added = tonumber(redis.call('HGET', KEYS[2], 'added') or 0)
for i = 1, #ARGV, 4 do
  local cursor = redis.call('HGET', KEYS[2], 'cursor:' .. ARGV[i])
  if cursor and tonumber(ARGV[i + 2]) <= added and comes_after(ARGV[i + 1], string.match(cursor, '^%S+')) then
    redis.call('HSET', KEYS[2], 'cursor:' .. ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
    if ARGV[i + 3] ~= '0' then redis.call('HINCRBY', KEYS[2], 'lost:' .. ARGV[i], ARGV[i + 3]) end
    moved = moved + 1
  end
end
if moved > 0 then trim_feed(KEYS[1], KEYS[2]) end
return moved
