-- Read entries of a list after a position, however many of them have the same score.
--
-- KEYS[1] order        sorted set, id -> time (ms)
--
-- ARGV[1] how many at most
-- ARGV[2] '1' for the greatest scores first
-- ARGV[3] score of the position, or '' to begin with the first
-- ARGV[4] id of the position; entries of the same score are ordered by id
--
-- Returns the ids and their scores as a flat list.

local descending = ARGV[2] == '1'
local command = descending and 'ZREVRANGE' or 'ZRANGE'

-- Whether the id a is behind b as the sorted set orders them, by bytes: Lua itself compares by the server's locale.
local function is_behind(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

local first = 0
if ARGV[3] ~= '' then
  if descending then
    first = redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[3], '+inf')
  else
    first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[3])
  end
  local last = first + redis.call('ZCOUNT', KEYS[1], ARGV[3], ARGV[3])
  while first < last do
    local middle = math.floor((first + last) / 2)
    local id = redis.call(command, KEYS[1], middle, middle)[1]
    local is_after
    if descending then is_after = is_behind(ARGV[4], id) else is_after = is_behind(id, ARGV[4]) end
    if is_after then last = middle else first = middle + 1 end
  end
end
return redis.call(command, KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')
