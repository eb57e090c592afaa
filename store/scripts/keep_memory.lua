-- Write, correct or forget one memory of a person, if nothing else has changed it meanwhile.
--
-- KEYS[1] memories     hash, id of a memory -> its revision, a space, and what it is
--
-- ARGV[1] id
-- ARGV[2] the revision that was read; '0': there is none of this id
-- ARGV[3] what it is now, or '' to forget it
-- ARGV[4] how many memories there may be
--
-- Returns its new revision (that of a forgotten one as well), 0 if it has another one, or -1 if there are too many.

local known = redis.call('HGET', KEYS[1], ARGV[1])
local revision = known and string.match(known, '^%d+') or '0'
if revision ~= ARGV[2] then return 0 end
local following = tonumber(revision) + 1
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
elseif not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return -1
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', following) .. ' ' .. ARGV[3])
end
return following
