-- Hold a lease: take it if it is free, or renew it; or give it back.
--
-- KEYS[1] lease        string, who holds it
--
-- ARGV[1] who asks
-- ARGV[2] for how long (ms), or 0 to give it back
--
-- Returns 1 if the caller holds it from now on, or 0.

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
