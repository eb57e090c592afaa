-- Find the message with a client id: its seq in the log, or the segments of the archive that may have it.
--
-- KEYS[1] clients      hash, client id -> seq
-- KEYS[2] segments     hash, file name -> fingerprints of the client ids in it, four bytes each
--
-- ARGV[1] client id
-- ARGV[2] its fingerprint
--
-- Returns {'at', seq} | {'perhaps', file name, file name ..}

local seq = redis.call('HGET', KEYS[1], ARGV[1])
if seq then return {'at', seq} end
local perhaps = {'perhaps'}
local segments = redis.call('HGETALL', KEYS[2])
for i = 1, #segments, 2 do
  local at = string.find(segments[i + 1], ARGV[2], 1, true)
  while at and at % 4 ~= 1 do at = string.find(segments[i + 1], ARGV[2], at + 1, true) end
  if at then perhaps[#perhaps + 1] = segments[i] end
end
return perhaps
