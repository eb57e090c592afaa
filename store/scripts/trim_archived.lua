-- Remove the oldest records of a log, which are in a segment of the archive now, if the writer's epoch is current.
--
-- KEYS[1] log          stream
-- KEYS[2] meta         hash
-- KEYS[3] segments     hash, file name -> fingerprints of the client ids in it, four bytes each
-- KEYS[4] clients      hash, client id -> seq
--
-- ARGV[1] epoch of the writer
-- ARGV[2] first seq of the segment
-- ARGV[3] last seq of the segment
-- ARGV[4] file name, or '' to note only that there will be one: then a deletion looks into the archive
-- ARGV[5] fingerprints
-- ARGV[6] .. the client ids in the segment
--
-- Returns {'done', the last seq in the archive} | {'gone'} | {'fenced', current epoch} | {'conflict', last seq}

local meta = redis.call('HMGET', KEYS[2], 'epoch', 'last_seq', 'archived_seq')
if not meta[1] then return {'gone'} end
if meta[1] ~= ARGV[1] then return {'fenced', meta[1]} end
local archived = meta[3] or '0'
if ARGV[4] == '' then
  redis.call('HSETNX', KEYS[2], 'archived_seq', '0')
  return {'done', archived}
end
if redis.call('HEXISTS', KEYS[3], ARGV[4]) == 1 then return {'done', archived} end
local last = tonumber(ARGV[3])
if tonumber(archived) + 1 ~= tonumber(ARGV[2]) or last >= tonumber(meta[2]) then return {'conflict', meta[2]} end

redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
redis.call('HSET', KEYS[2], 'archived_seq', ARGV[3])
for i = 6, #ARGV do redis.call('HDEL', KEYS[4], ARGV[i]) end
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d-0', last + 1))
return {'done', ARGV[3]}
