-- Note why a writer ends, so that the next claim can tell whether it died at its work.
--
-- KEYS[1] meta         hash
--
-- ARGV[1] epoch of the writer
-- ARGV[2] exit: why, in one word; 'failed' is an error of its own
--
-- Returns 1 if it was the current writer; else 0, and it does not count as lost: it was alive when it was fenced.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'lost', 'ended')
if meta[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'exit', ARGV[2])
  return 1
end
if meta[2] then redis.call('HSET', KEYS[1], 'lost', (string.gsub(meta[2], ARGV[1] .. '!? ', ''))) end
if meta[3] == 'crash ' .. ARGV[1] then redis.call('HSET', KEYS[1], 'ended', 'superseded ' .. ARGV[1]) end
return 0
