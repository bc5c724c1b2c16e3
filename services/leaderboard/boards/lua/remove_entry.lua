-- Takes an entry off the board.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- KEYS[4] the call: set once it has taken effect, so that it takes none when the service sends it again
-- ARGV[1] the entry_id
-- ARGV[2] how long the call may be sent again, s
-- Returns 1, 0 when there is no such entry, nil when there is no such board.
if redis.call('EXISTS', KEYS[4]) == 1 then
  return 1
end
local record = redis.call('HGET', KEYS[3], ARGV[1])
if not record then
  return redis.call('EXISTS', KEYS[1]) == 1 and 0
end
redis.call('ZREM', KEYS[2], string.sub(record, 1, 28) .. ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
-- As list_top.lua says: the time, and the word that the call alone has.
local time = redis.call('TIME')
local changed = string.format('%s%06d %s', time[1], time[2], string.match(KEYS[4], '[^:]*$'))
redis.call('HSET', KEYS[1], 'changed', changed)
redis.call('SET', KEYS[4], '', 'EX', ARGV[2])
return 1
