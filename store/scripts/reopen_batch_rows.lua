-- Have rows of a batch begun anew, in another round.
--
-- KEYS[1] record       hash, with the counts of the batch
-- KEYS[2] finished     string, a bit for each row that is finished
-- KEYS[3] failed       hash, row that has failed -> why
-- KEYS[4] rounds       hash, row that was begun anew -> how often
-- KEYS[5] again        hash, row that is to be begun anew -> why
--
-- ARGV[1] .. numbers of rows
--
-- Returns the numbers and new rounds as a flat list, of those that had failed or were to be begun anew.

local found = {}
for i = 1, #ARGV do
  local row = ARGV[i]
  local had_failed = redis.call('HDEL', KEYS[3], row)
  local is_again = redis.call('HDEL', KEYS[5], row)
  if had_failed == 1 then
    redis.call('SETBIT', KEYS[2], row, 0)
    redis.call('HINCRBY', KEYS[1], 'failed', -1)
  end
  if had_failed + is_again > 0 then
    found[#found + 1] = row
    found[#found + 1] = tostring(redis.call('HINCRBY', KEYS[4], row, 1))
  end
end
return found
