-- Read the records of a log in one direction until a number of bytes is reached; at least one, if there is any.
--
-- KEYS[1] log          stream
--
-- ARGV[1] XRANGE or XREVRANGE
-- ARGV[2] id of the first record
-- ARGV[3] id of the last record
-- ARGV[4] maximal number of records
-- ARGV[5] bytes with which a page is full
--
-- Returns a list of {id, {'d', data}}, or {id, {'d', data, 'e', epoch of the writer}}.

local page, bytes, first, left = {}, 0, ARGV[2], tonumber(ARGV[4])
while left > 0 do
  local some = redis.call(ARGV[1], KEYS[1], first, ARGV[3], 'COUNT', math.min(left, 8))
  for _, entry in ipairs(some) do
    page[#page + 1] = entry
    bytes = bytes + #entry[2][2]
    if bytes >= tonumber(ARGV[5]) then return page end
  end
  if #some < math.min(left, 8) then return page end
  left = left - #some
  first = '(' .. some[#some][1]
end
return page
