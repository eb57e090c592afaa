-- Renew a process's entries in a cluster's line of starts, and let the first ones begin.
--
-- An entry is `owner|entered|seen|state`, times in ms of the server's clock; its state is `w` (it waits), `s` (it is
-- being started) or `r` (it is, and no other one waits for that). The entries of a process that has not renewed them
-- lately are dropped.
--
-- KEYS[1] line     hash: conversation id -> entry
-- KEYS[2] started  sorted set: what has begun lately, by its time (ms)
--
-- ARGV[1] owner: the process that asks
-- ARGV[2] how many starts may run at once in the cluster
-- ARGV[3] how long (ms) an entry counts that is not renewed
-- ARGV[4] how long (ms) a start that has begun is remembered
-- ARGV[5] how much later (ms) those that yield count as having come: others pass them for so long
-- ARGV[6] n, the number of conversations of this process that do not yield
-- ARGV[7] .. ARGV[6 + n] these, in the order in which it has got them; then those that yield
--
-- Returns one number for each of them: its place among those that wait, from 1; 0 if it may begin, or has begun; -1 if
-- another process has it in the line.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local entries, waiting, running = {}, {}, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local owner, entered, seen, state = all[i + 1]:match('^([^|]*)|([^|]*)|([^|]*)|(.)$')
  if tonumber(seen) >= now - tonumber(ARGV[3]) then
    entries[all[i]] = {owner = owner, entered = tonumber(entered), state = state}
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
local mine = {}
for i = 7, #ARGV do
  local entry = entries[ARGV[i]]
  if not entry then
    local later = i > 6 + tonumber(ARGV[6]) and tonumber(ARGV[5]) or 0
    entry = {owner = ARGV[1], entered = now + later + (i - 7) / 1000, state = 'w'}
    entries[ARGV[i]] = entry
  end
  mine[ARGV[i]] = entry.owner == ARGV[1]
end
for id, entry in pairs(entries) do
  if entry.state == 's' then
    running = running + 1
  elseif entry.state == 'w' then
    waiting[#waiting + 1] = id
  end
end
table.sort(waiting, function(a, b)
  if entries[a].entered ~= entries[b].entered then return entries[a].entered < entries[b].entered end
  return a < b
end)
local free = tonumber(ARGV[2]) - running
for place, id in ipairs(waiting) do
  entries[id].place = math.max(1, place - math.max(free, 0))
  if place <= free and mine[id] then
    entries[id].state = 's'
    redis.call('ZADD', KEYS[2], now, id .. ' ' .. string.format('%.0f', now))
  end
end
local answers = {}
for i = 7, #ARGV do
  local entry = entries[ARGV[i]]
  if mine[ARGV[i]] then
    local line = string.format('%s|%.3f|%.0f|%s', entry.owner, entry.entered, now, entry.state)
    redis.call('HSET', KEYS[1], ARGV[i], line)
    answers[#answers + 1] = entry.state == 'w' and entry.place or 0
  else
    answers[#answers + 1] = -1
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return answers
