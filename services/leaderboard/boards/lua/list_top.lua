-- Lists entries from the top, or from behind a position, whether or not an entry still stands there.
--
-- The version of a board changes with whatever changes in it. created_by tells it from an earlier board of its
-- leaderboard_id. seq counts scores; `changed` holds the time of the last change and a word for that call alone, so that
-- a server that has lost its last second, and counts the same numbers again, does not come to the same version. Release
-- 0.2.0 does not write `changed`: its scores move seq, its removals the number of entries, but metadata alone moves
-- nothing.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- ARGV[1] how many at most
-- ARGV[2] the position's score; '' for the top
-- ARGV[3] the position's place
-- ARGV[4] the version of which this answer is known; '' for none
-- Returns {version, rank of the first, entry_ids, records}, the last two as lines; {version} alone where it is the known
-- one; nil when there is no such board.
local created_by, seq, changed = unpack(redis.call('HMGET', KEYS[1], 'created_by', 'seq', 'changed'))
if not created_by then
  return false
end
local version = table.concat({created_by, seq, changed or '', redis.call('ZCARD', KEYS[2])}, ':')
if version == ARGV[4] then
  return {version}
end
local first = 0
if ARGV[2] ~= '' then
  -- Among the equals of that score, their places falling, find the first beyond the position. Places are compared
  -- without the entry_ids: Lua compares by locale, under which only digits and letters of one case keep their order.
  first = redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[2], '+inf')
  local last = first + redis.call('ZCOUNT', KEYS[2], ARGV[2], ARGV[2])
  while first < last do
    local middle = math.floor((first + last) / 2)
    local member = redis.call('ZREVRANGE', KEYS[2], middle, middle)[1]
    if string.sub(member, 1, 28) < ARGV[3] then
      last = middle
    else
      first = middle + 1
    end
  end
end
local entry_ids = redis.call('ZREVRANGE', KEYS[2], first, first + ARGV[1] - 1)
if #entry_ids == 0 then
  return {version, first + 1, '', ''}
end
for i, member in ipairs(entry_ids) do
  entry_ids[i] = string.sub(member, 29)
end
local records = redis.call('HMGET', KEYS[3], unpack(entry_ids))
return {version, first + 1, table.concat(entry_ids, '\n'), table.concat(records, '\n')}
