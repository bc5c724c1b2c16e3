-- Creates an empty board. When the service sends the same call again because an answer was lost, it finds its own work.
--
-- KEYS[1] the board: a hash of created_at (microseconds since 1970), created_by, seq, the last place given out, and
--   `changed`, which comes with the first change: its time and its call (list_top.lua)
-- ARGV[1] the call, unlike any other
-- Returns created_at, or nil when the board exists.
local created_at, created_by = unpack(redis.call('HMGET', KEYS[1], 'created_at', 'created_by'))
if created_at then
  return created_by == ARGV[1] and created_at
end
local time = redis.call('TIME')
created_at = string.format('%s%06d', time[1], time[2])
redis.call('HSET', KEYS[1], 'created_at', created_at, 'created_by', ARGV[1], 'seq', '0')
return created_at
