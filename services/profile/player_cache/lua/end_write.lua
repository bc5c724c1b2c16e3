-- Ends a writer. Notes the version it wrote, and puts its payload unless that may not be the newest: another writer is
-- still at work, a newer version is known, or somebody wrote a version that nobody knows.
--
-- KEYS[1] the entry
-- ARGV[1] the writer's token
-- ARGV[2] the version written; '' when nothing was; '?' when something may have been, under an unknown version
-- ARGV[3] the payload; '' to leave loading to the next reader
-- ARGV[4] time to live, ms
-- ARGV[5] how long a writer can take at most, ms
-- Returns 1 if the payload was put.
local announced = redis.call('HDEL', KEYS[1], 'w:' .. ARGV[1])
if ARGV[2] == '' then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entry = redis.call('HGETALL', KEYS[1])
local others = false
for i = 1, #entry, 2 do
  if string.sub(entry[i], 1, 2) == 'w:' and tonumber(entry[i + 1]) > now then
    others = true
  end
end
-- Normally the announcement has dropped these already. But it may have expired, and a reader filled the entry since.
redis.call('HDEL', KEYS[1], 'p', 'l')
local doubtful = redis.call('HDEL', KEYS[1], 'd') == 1
if others and (doubtful or ARGV[2] == '?') then
  -- Marks the entry: none of the writers still at work can tell any more whether its row is the newest.
  redis.call('HSET', KEYS[1], 'd', '1')
end
if ARGV[2] == '?' then
  return 0
end
local known = redis.call('HGET', KEYS[1], 'v')
if known and tonumber(known) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
if others or doubtful or announced == 0 or ARGV[3] == '' then
  -- The version must outlive every reader and writer that may still hold an older one.
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
  end
  return 0
end
redis.call('HSET', KEYS[1], 'p', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
