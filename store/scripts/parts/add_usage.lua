-- The function that records what one writer has used in a scope so far; a smaller record than its last one comes late,
-- and changes nothing.
--
-- usage   hash, see record_usage.lua
-- writer  its key
-- tokens, cost  its own sums
--
-- Returns the sums {tokens, cost} of all writers.
local function add_usage(usage, writer, tokens, cost)
  local entry = 'of:' .. writer
  local known = redis.call('HMGET', usage, entry, 'tokens', 'cost')
  local own_tokens, own_cost = 0, 0
  if known[1] then
    own_tokens, own_cost = string.match(known[1], '^(%-?%d+) (%-?%d+)$')
  end
  local new_tokens = math.max(tonumber(tokens), tonumber(own_tokens))
  local new_cost = math.max(tonumber(cost), tonumber(own_cost))
  local all_tokens = string.format('%.0f', tonumber(known[2] or 0) + new_tokens - tonumber(own_tokens))
  local all_cost = string.format('%.0f', tonumber(known[3] or 0) + new_cost - tonumber(own_cost))
  redis.call('HSET', usage, entry, string.format('%.0f %.0f', new_tokens, new_cost),
    'tokens', all_tokens, 'cost', all_cost)
  return {all_tokens, all_cost}
end
