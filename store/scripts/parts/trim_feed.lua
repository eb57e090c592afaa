-- The function that removes from a partition's feed what every group has.
--
-- stream  stream, the partition's feed
-- groups  hash, see feed_register.lua
local function trim_feed(stream, groups)
  local fields, slowest, last = redis.call('HGETALL', groups), nil, nil
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 7) == 'cursor:' then
      local id, number = string.match(fields[i + 1], '^(%S+) (%d+)$')
      if not slowest or tonumber(number) < slowest then slowest, last = tonumber(number), id end
    end
  end
  if not last then
    redis.call('UNLINK', stream, groups)
  elseif last ~= '0-0' then
    local ms, index = string.match(last, '^(%d+)-(%d+)$')
    redis.call('XTRIM', stream, 'MINID', ms .. '-' .. string.format('%.0f', tonumber(index) + 1))
  end
end
