-- Note how far rows of a batch are; what is noted twice counts once.
--
-- KEYS[1] record       hash, with the counts of the batch
-- KEYS[2] finished     string, a bit for each row that is finished
-- KEYS[3] failed       hash, row that has failed -> why
-- KEYS[4] waiting      set, rows that wait for people
-- KEYS[5] rounds       hash, row that was begun anew -> how often
-- KEYS[6] again        hash, row that is to be begun anew -> why
--
-- ARGV[1] the channel on which the driver of the batch is told
-- ARGV[2] .. for each row: its number, its round, its outcome, why, its input tokens, its output tokens, its cost in
--            millionths of a US dollar. Outcomes are 'succeeded', 'failed', 'again', 'waiting' and 'going'.
--
-- Returns how many of them were news; nothing is noted of a batch that is gone, nor of an earlier round.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end

local function spend(i)
  for offset, field in ipairs({'input_tokens', 'output_tokens', 'cost'}) do
    if ARGV[i + 3 + offset] ~= '0' then redis.call('HINCRBY', KEYS[1], field, ARGV[i + 3 + offset]) end
  end
end

local news = 0
for i = 2, #ARGV, 7 do
  local row, outcome = ARGV[i], ARGV[i + 2]
  local is_open = redis.call('GETBIT', KEYS[2], row) == 0
  local is_current = (redis.call('HGET', KEYS[5], row) or '0') == ARGV[i + 1]
  if is_open and is_current then
    if outcome == 'waiting' then
      news = news + redis.call('SADD', KEYS[4], row)
    elseif outcome == 'going' then
      news = news + redis.call('SREM', KEYS[4], row)
    elseif outcome == 'again' then
      if redis.call('HSETNX', KEYS[6], row, ARGV[i + 3]) == 1 then
        spend(i)
        news = news + 1
      end
      redis.call('SREM', KEYS[4], row)
    else
      redis.call('SETBIT', KEYS[2], row, 1)
      redis.call('SREM', KEYS[4], row)
      redis.call('HDEL', KEYS[6], row)
      redis.call('HINCRBY', KEYS[1], outcome, 1)
      if outcome == 'failed' then redis.call('HSET', KEYS[3], row, ARGV[i + 3]) end
      spend(i)
      news = news + 1
    end
  end
end
if news > 0 then redis.call('PUBLISH', ARGV[1], '1') end
return news
