-- Delete a file, or a directory with everything in it.
--
-- KEYS[1] files        hash, path -> 'version size updated_at'
-- KEYS[2] contents     hash, path -> bytes
-- KEYS[3] totals       hash: floor (see file_write.lua), bytes
-- KEYS[4] receipt      string: the result of this change, which may be repeated because its answer was lost
-- KEYS[5] receipts     sorted set, the keys of receipts by when they go (s)
-- KEYS[6] meta         hash, only for a conversation's files: without it there are none
--
-- ARGV[1] lifetime of the receipt (s)
-- ARGV[2] path
-- ARGV[3] expected version, or '' for any, or for a directory
--
-- Returns {'done', how many files} | {'gone'} | {'missing', path} | {'conflict', version}

if KEYS[6] and redis.call('EXISTS', KEYS[6]) == 0 then return {'gone'} end
local done = redis.call('GET', KEYS[4])
if done then return {'done', done} end

local path = ARGV[2]
local doomed = {}
local known = redis.call('HGET', KEYS[1], path)
if known then
  local held = string.match(known, '^%d+')
  if ARGV[3] ~= '' and held ~= ARGV[3] then return {'conflict', held} end
  doomed[1] = path
elseif ARGV[3] == '' then
  for _, other in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(other, 1, #path + 1) == path .. '/' then doomed[#doomed + 1] = other end
  end
end
if #doomed == 0 then return {'missing', path} end

local totals = redis.call('HMGET', KEYS[3], 'floor', 'bytes')
local floor, bytes = tonumber(totals[1] or 0), tonumber(totals[2] or 0)
for _, other in ipairs(doomed) do
  local version, size = string.match(redis.call('HGET', KEYS[1], other), '^(%d+) (%d+) ')
  floor = math.max(floor, tonumber(version))
  bytes = bytes - tonumber(size)
  redis.call('HDEL', KEYS[1], other)
  redis.call('HDEL', KEYS[2], other)
end
redis.call('HSET', KEYS[3], 'floor', string.format('%.0f', floor), 'bytes', string.format('%.0f', bytes))
local count = string.format('%d', #doomed)
keep_receipt(KEYS[4], KEYS[5], count, ARGV[1])
return {'done', count}
