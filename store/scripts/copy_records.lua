-- Add records to a copy of a log that is not complete yet, or begin such a copy; it goes by itself some time after
-- that.
--
-- KEYS[1] head         hash: last_seq, by which a repetition is noticed
-- KEYS[2] log          stream
-- KEYS[3] clients      hash, client id -> seq
-- KEYS[4] .. its other keys, which live as long
--
-- ARGV[1] lifetime of the copy (s)
-- ARGV[2] seq after which the records stand
-- ARGV[3] n, the number of records
-- ARGV[4] .. ARGV[3 + n] the records
-- then pairs of client id and seq
--
-- Returns 1, or 0 if what came before is not there: it has expired, or was lost with its server.

local before, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local last = tonumber(redis.call('HGET', KEYS[1], 'last_seq') or (before == 0 and '0') or '-1')
if last ~= before and last ~= before + count then return 0 end
if last == before then
  redis.call('HSET', KEYS[1], 'last_seq', string.format('%d', before + count))
  for i = 1, count do
    redis.call('XADD', KEYS[2], string.format('%d-0', before + i), 'd', ARGV[3 + i])
  end
  for i = 4 + count, #ARGV, 2 do
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  end
end
for i = 1, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[1]) end
return 1
