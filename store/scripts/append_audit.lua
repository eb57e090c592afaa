-- Append lines to the audit of a tenant if the chain ends where its writer expects, and each event is new.
--
-- The writer has made the lines: each has the hash of the one before, a SHA-256, which scripts cannot compute. So a
-- writer whom another one has overtaken is told the end of the chain, and makes them anew.
--
-- If the head is behind the lines, it was changed by other means: the chain goes on behind them, and the gap stays to
-- be seen.
--
-- KEYS[1] lines        stream, ids are seq-0
-- KEYS[2] head         hash: seq, hash and at (ms) of the last line
-- KEYS[3] known        sorted set: ids of the events that were written lately, by the time (ms)
--
-- ARGV[1] expected seq of the last line
-- ARGV[2] its expected hash
-- ARGV[3] seq of the last line once these are written
-- ARGV[4] its hash
-- ARGV[5] its time (ms)
-- ARGV[6] how long (ms) the ids of events are remembered
-- ARGV[7] .. pairs of the id of an event and its line
--
-- Returns {'written'} | {'moved', seq, hash, at, and the ids among these that are written already}

local head = redis.call('HMGET', KEYS[2], 'seq', 'hash', 'at')
local seq, hash = head[1] or '0', head[2] or string.rep('0', 64)
if redis.call('EXISTS', KEYS[1]) == 1 then
  local about = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #about, 2 do
    local top = about[i] == 'last-generated-id' and string.match(about[i + 1], '^%d+')
    if top and tonumber(top) > tonumber(seq) then seq = top end
  end
end
local answer = {'moved', seq, hash, head[3] or '0'}
for i = 7, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[3], ARGV[i]) then answer[#answer + 1] = ARGV[i] end
end
if #answer > 4 or seq ~= ARGV[1] or hash ~= ARGV[2] then return answer end

local now = tonumber(ARGV[5])
for i = 7, #ARGV, 2 do
  seq = string.format('%.0f', tonumber(seq) + 1)
  redis.call('XADD', KEYS[1], seq .. '-0', 'd', ARGV[i + 1])
  redis.call('ZADD', KEYS[3], now, ARGV[i])
end
redis.call('HSET', KEYS[2], 'seq', ARGV[3], 'hash', ARGV[4], 'at', ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now - tonumber(ARGV[6])))
redis.call('PEXPIRE', KEYS[3], ARGV[6])
return {'written'}
