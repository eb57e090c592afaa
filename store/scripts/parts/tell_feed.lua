-- The function that the scripts share which tell the feed: it writes an entry, if any group has asked for a feed, and
-- wakes the readers, unless they were woken within the last 200 ms: they read 250 ms after they were woken, or later
-- (see deployments/feed/reader.py). Call it after the effect and before the keys of the conversation go; all keys are
-- in one slot.
--
-- stream        stream, the partition's feed
-- groups        hash, how the partition's feed is kept, and how far each group has read (see feed_register.lua)
-- meta          hash, the conversation's, which says whose it is
-- conversation  its id
-- at            now (ms)
-- notices       JSON list of [type, data], not empty (see store/feed/entry.py)
-- who           its `principal` and `root`, if the caller has read them already
local function tell_feed(stream, groups, meta, conversation, at, notices, who)
  local feed = redis.call('HMGET', groups, 'max', 'channel', 'partition', 'added', 'woken')
  if not feed[1] then return end
  who = who or redis.call('HMGET', meta, 'principal', 'root')
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local number, woken = string.format('%.0f', tonumber(feed[4] or 0) + 1), tonumber(feed[5] or 0)
  if now >= woken and now < woken + 200 then
    redis.call('HSET', groups, 'added', number)
  else
    redis.call('HSET', groups, 'added', number, 'woken', string.format('%.0f', now))
    redis.call('PUBLISH', feed[2], feed[3])
  end
  redis.call('XADD', stream, 'MAXLEN', '~', feed[1], '*', 'n', number, 'c', conversation, 'o', who[1],
    'r', who[2] or conversation, 'at', at, 'd', notices)
end
