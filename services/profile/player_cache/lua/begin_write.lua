-- Announces a writer of some entries: drops their payloads and leases, so that nobody fills them until the writer ends,
-- or until it must be dead.
--
-- KEYS the entries
-- ARGV[1] the writer's token
-- ARGV[2] how long a writer can take at most, ms
local time = redis.call('TIME')
local writer, longest = 'w:' .. ARGV[1], tonumber(ARGV[2])
local until_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + longest)
for i = 1, #KEYS do
  -- In this order: an entry that is empty for a moment is no more, and a cluster that is just moving it to another node
  -- would refuse to make it anew in the middle of the script.
  redis.call('HSET', KEYS[i], writer, until_ms)
  redis.call('HDEL', KEYS[i], 'p', 'l')
  if redis.call('PTTL', KEYS[i]) < longest then
    redis.call('PEXPIRE', KEYS[i], longest)
  end
end
