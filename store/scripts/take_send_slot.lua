-- Give a message to a chat its place among all that a channel sends, or say how long to wait before asking again.
--
-- KEYS[1] channel    hash: next (ms, when the next place is), closed (ms, until when the channel takes nothing)
-- KEYS[2] chat       hash: the same for one chat
-- KEYS[3] recent     list: when (ms) messages to the chat have places, newest first; of a group's last minute
--
-- ARGV[1] now (ms)
-- ARGV[2] ms between two messages in all, or 0
-- ARGV[3] ms between two messages to the chat, or 0
-- ARGV[4] how many messages the chat takes a minute, or 0
-- ARGV[5] lifetime of the keys after their last use (ms)
--
-- Returns {1, ms until the place} or {0, ms until the caller asks again}. A place that is not used is lost.

local now, lifetime = tonumber(ARGV[1]), tonumber(ARGV[5])
local channel = redis.call('HMGET', KEYS[1], 'next', 'closed')
local chat = redis.call('HMGET', KEYS[2], 'next', 'closed')
local waits = math.max(tonumber(channel[2] or 0), tonumber(chat[2] or 0), tonumber(chat[1] or 0)) - now
local most = tonumber(ARGV[4])
if most > 0 then
  local oldest = redis.call('LINDEX', KEYS[3], most - 1)
  if oldest then waits = math.max(waits, tonumber(oldest) + 60000 - now) end
end
-- Only a chat that may have a message now takes a place: one that has to wait holds up no other.
if waits > 0 then return {0, math.ceil(waits)} end
local place = math.max(now, tonumber(channel[1] or 0))
redis.call('HSET', KEYS[1], 'next', string.format('%.3f', place + tonumber(ARGV[2])))
redis.call('HSET', KEYS[2], 'next', string.format('%.3f', place + tonumber(ARGV[3])))
redis.call('PEXPIRE', KEYS[1], lifetime + math.ceil(place - now))
redis.call('PEXPIRE', KEYS[2], lifetime + math.ceil(place - now))
if most > 0 then
  redis.call('LPUSH', KEYS[3], string.format('%.3f', place))
  redis.call('LTRIM', KEYS[3], 0, most - 1)
  redis.call('PEXPIRE', KEYS[3], lifetime + math.ceil(place - now))
end
return {1, math.ceil(place - now)}
