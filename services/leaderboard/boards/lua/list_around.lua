-- Lists an entry and its neighbours: near an end of the board fewer on that side, and more on the other.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- ARGV[1] the entry_id
-- ARGV[2] how many neighbours on each side
-- Returns {rank of the first, entry_ids, records}, both as lines; {} when there is no such entry, nil when there is no
-- such board.
local record = redis.call('HGET', KEYS[3], ARGV[1])
if not record then
  return redis.call('EXISTS', KEYS[1]) == 1 and {}
end
local at = redis.call('ZREVRANK', KEYS[2], string.sub(record, 1, 28) .. ARGV[1])
local size = 2 * ARGV[2] + 1
local first = math.max(0, math.min(at - ARGV[2], redis.call('ZCARD', KEYS[2]) - size))
local entry_ids = redis.call('ZREVRANGE', KEYS[2], first, first + size - 1)
for i, member in ipairs(entry_ids) do
  entry_ids[i] = string.sub(member, 29)
end
local records = redis.call('HMGET', KEYS[3], unpack(entry_ids))
return {first + 1, table.concat(entry_ids, '\n'), table.concat(records, '\n')}
