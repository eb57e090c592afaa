-- Create a file, or replace the version that the writer has read.
--
-- No version of a path is used twice: an overwritten file counts up, and a new file begins above `floor`, the highest
-- version of all files that were deleted or moved.
--
-- KEYS[1] files        hash, path -> 'version size updated_at'
-- KEYS[2] contents     hash, path -> bytes
-- KEYS[3] totals       hash: floor, bytes
-- KEYS[4] receipt      string: the result of this change, which may be repeated because its answer was lost
-- KEYS[5] receipts     sorted set, the keys of receipts by when they go (s)
-- KEYS[6] meta         hash, only for a conversation's files: without it nothing is written
--
-- ARGV[1] lifetime of the receipt (s)
-- ARGV[2] path
-- ARGV[3] content
-- ARGV[4] expected version, or '' for a file that must not exist
-- ARGV[5] now (ms)
-- ARGV[6] maximal number of files
-- ARGV[7] maximal number of bytes in all files
--
-- Returns {'done', version} | {'gone'} | {'missing', path} | {'exists', what is in the way} | {'conflict', version}
--       | {'full', limit, unit}

if KEYS[6] and redis.call('EXISTS', KEYS[6]) == 0 then return {'gone'} end
local done = redis.call('GET', KEYS[4])
if done then return {'done', done} end

local path, size = ARGV[2], #ARGV[3]
local totals = redis.call('HMGET', KEYS[3], 'floor', 'bytes')
local version, old_size = tonumber(totals[1] or 0), 0
local known = redis.call('HGET', KEYS[1], path)
if known then
  local held, length = string.match(known, '^(%d+) (%d+) ')
  if ARGV[4] == '' then return {'exists', path} end
  if held ~= ARGV[4] then return {'conflict', held} end
  version, old_size = tonumber(held), tonumber(length)
else
  if ARGV[4] ~= '' then return {'missing', path} end
  local slash = string.find(path, '/', 1, true)
  while slash do
    local above = string.sub(path, 1, slash - 1)
    if redis.call('HEXISTS', KEYS[1], above) == 1 then return {'exists', above} end
    slash = string.find(path, '/', slash + 1, true)
  end
  for _, other in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(other, 1, #path + 1) == path .. '/' then return {'exists', path} end
  end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then return {'full', ARGV[6], 'files'} end
end
local growth = size - old_size
if growth > 0 and tonumber(totals[2] or 0) + growth > tonumber(ARGV[7]) then return {'full', ARGV[7], 'bytes'} end

version = string.format('%.0f', version + 1)
redis.call('HSET', KEYS[1], path, version .. ' ' .. string.format('%.0f', size) .. ' ' .. ARGV[5])
redis.call('HSET', KEYS[2], path, ARGV[3])
redis.call('HINCRBY', KEYS[3], 'bytes', string.format('%.0f', growth))
keep_receipt(KEYS[4], KEYS[5], version, ARGV[1])
return {'done', version}
