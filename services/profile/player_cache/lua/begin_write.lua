-- Announces a writer: drops the payload and the lease, so that nobody fills the entry until the writer ends, or until
-- it must be dead.
--
-- KEYS[1] the entry
-- ARGV[1] the writer's token
-- ARGV[2] how long a writer can take at most, ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], 'p', 'l')
redis.call('HSET', KEYS[1], 'w:' .. ARGV[1], string.format('%.0f', now + tonumber(ARGV[2])))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
