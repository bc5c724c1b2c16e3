-- Puts a loaded player into the cache, if the caller still has its lease: a writer that announced itself since then has
-- removed it. Never replaces a newer version.
--
-- KEYS[1] the entry
-- ARGV[1] the lease token
-- ARGV[2] time to live, ms
-- ARGV[3] the version loaded; '' when there is no such player, or the load has failed: then only the lease is ended
-- ARGV[4] the payload
-- Returns 1 if it was put.
local lease, known = unpack(redis.call('HMGET', KEYS[1], 'l', 'v'))
if not lease or string.match(lease, '^(%S+)') ~= ARGV[1] then
  return 0
end
if ARGV[3] == '' or (known and tonumber(known) > tonumber(ARGV[3])) then
  redis.call('HDEL', KEYS[1], 'l')
  return 0
end
-- The lease goes last, as begin_write.lua says.
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'p', ARGV[4])
redis.call('HDEL', KEYS[1], 'l')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
