-- Whether an id of a stream comes after another one.
--
-- id, other  ids, such as 1796058804523-0, or those of a feed's entries: 17:1796058804523-0, 17:1796058804523-0:2
local function comes_after(id, other)
  local ms, number, index = string.match(id, '(%d+)%-(%d+):?(%d*)$')
  local other_ms, other_number, other_index = string.match(other, '(%d+)%-(%d+):?(%d*)$')
  if ms ~= other_ms then return tonumber(ms) > tonumber(other_ms) end
  if number ~= other_number then return tonumber(number) > tonumber(other_number) end
  return (tonumber(index) or 0) > (tonumber(other_index) or 0)
end
