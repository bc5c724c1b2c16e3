-- Comes before each script that changes entries, where servers take each other's place or hand over slots. What an entry
-- holds from another reign counts for nothing: after a failover it may lack the last announcements, and while its slot
-- was elsewhere, others may have written without leaving a word in it. Its field e is the reign that it is of.
--
-- ARGV[2] a time in ms, which every one of these scripts has there: how long an entry lives of which nothing is left
-- ARGV[last] the reign of the server that runs this; the script that follows does not see it
local reign = table.remove(ARGV)
for i = 1, #KEYS do
  if redis.call('HGET', KEYS[i], 'e') ~= reign then
    local old = redis.call('HKEYS', KEYS[i])
    -- First this, as begin_write.lua says.
    redis.call('HSET', KEYS[i], 'e', reign)
    for n = 1, #old do
      if old[n] ~= 'e' then
        redis.call('HDEL', KEYS[i], old[n])
      end
    end
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
