-- Keep the result of a change for a while, and note under which key: a deletion of all of it must find that.
--
-- receipt   string
-- receipts  sorted set, the keys of receipts by when they go (s)
-- result    text
-- seconds   how long; a day at most
local function keep_receipt(receipt, receipts, result, seconds)
  local now = tonumber(redis.call('TIME')[1])
  redis.call('SET', receipt, result, 'EX', seconds)
  redis.call('ZREMRANGEBYSCORE', receipts, '-inf', now)
  redis.call('ZADD', receipts, string.format('%.0f', now + tonumber(seconds)), receipt)
  redis.call('EXPIRE', receipts, 86400)
end
