-- Move a file, or a directory with everything in it, to a path that is free.
--
-- KEYS[1] files        hash, path -> 'version size updated_at'
-- KEYS[2] contents     hash, path -> bytes
-- KEYS[3] totals       hash: floor (see file_write.lua), bytes
-- KEYS[4] receipt      string: the result of this change, which may be repeated because its answer was lost
-- KEYS[5] receipts     sorted set, the keys of receipts by when they go (s)
-- KEYS[6] meta         hash, only for a conversation's files: without it nothing is moved
--
-- ARGV[1] lifetime of the receipt (s)
-- ARGV[2] source
-- ARGV[3] target
-- ARGV[4] expected version of the source, or '' for any, or for a directory
-- ARGV[5] now (ms)
-- ARGV[6] maximal length of a path (bytes)
--
-- Returns {'done', JSON list: the version of all moved files, then path and size of each} | {'gone'}
--       | {'missing', path} | {'conflict', version} | {'exists', what is in the way} | {'long', path}

if KEYS[6] and redis.call('EXISTS', KEYS[6]) == 0 then return {'gone'} end
local done = redis.call('GET', KEYS[4])
if done then return {'done', done} end

local source, target = ARGV[2], ARGV[3]
local moved = {}
local known = redis.call('HGET', KEYS[1], source)
if known then
  local held = string.match(known, '^%d+')
  if ARGV[4] ~= '' and held ~= ARGV[4] then return {'conflict', held} end
  moved[1] = source
end
local slash = string.find(target, '/', 1, true)
while slash do
  local above = string.sub(target, 1, slash - 1)
  if redis.call('HEXISTS', KEYS[1], above) == 1 then return {'exists', above} end
  slash = string.find(target, '/', slash + 1, true)
end
if redis.call('HEXISTS', KEYS[1], target) == 1 then return {'exists', target} end
for _, other in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(other, 1, #target + 1) == target .. '/' then return {'exists', target} end
  if not known and ARGV[4] == '' and string.sub(other, 1, #source + 1) == source .. '/' then
    moved[#moved + 1] = other
  end
end
if #moved == 0 then return {'missing', source} end
table.sort(moved)

local floor = tonumber(redis.call('HGET', KEYS[3], 'floor') or 0)
for _, path in ipairs(moved) do
  local new = target .. string.sub(path, #source + 1)
  if #new > tonumber(ARGV[6]) then return {'long', new} end
  floor = math.max(floor, tonumber(string.match(redis.call('HGET', KEYS[1], path), '^%d+')))
end
redis.call('HSET', KEYS[3], 'floor', string.format('%.0f', floor))

local version = string.format('%.0f', floor + 1)
local result = {version}
for _, path in ipairs(moved) do
  local new = target .. string.sub(path, #source + 1)
  local size = string.match(redis.call('HGET', KEYS[1], path), '^%d+ (%d+) ')
  redis.call('HSET', KEYS[1], new, version .. ' ' .. size .. ' ' .. ARGV[5])
  redis.call('HSET', KEYS[2], new, redis.call('HGET', KEYS[2], path))
  redis.call('HDEL', KEYS[1], path)
  redis.call('HDEL', KEYS[2], path)
  result[#result + 1] = new
  result[#result + 1] = size
end
local encoded = cjson.encode(result)
keep_receipt(KEYS[4], KEYS[5], encoded, ARGV[1])
return {'done', encoded}
