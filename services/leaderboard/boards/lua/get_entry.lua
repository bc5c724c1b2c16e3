-- Reads one entry.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- ARGV[1] the entry_id
-- Returns {rank, entry_id, record}, {} when there is none, nil when there is no such board.
local record = redis.call('HGET', KEYS[3], ARGV[1])
if not record then
  return redis.call('EXISTS', KEYS[1]) == 1 and {}
end
local member = string.sub(record, 1, 28) .. ARGV[1]
return {redis.call('ZREVRANK', KEYS[2], member) + 1, ARGV[1], record}
