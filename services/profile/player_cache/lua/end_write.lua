-- Ends a writer of some entries. Notes for each the version it wrote, and puts its payload unless that may not be the
-- newest: another writer is still at work, a newer version is known, or somebody wrote a version that nobody knows.
--
-- KEYS the entries
-- ARGV[1] the writer's token
-- ARGV[2] how long a writer can take at most, ms
-- ARGV[3…] three for each entry: the version written ('' when nothing was; '?' when something may have been, under an
--   unknown version), the payload ('' to leave loading to the next reader), time to live in ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local writer, longest = 'w:' .. ARGV[1], tonumber(ARGV[2])
for i = 1, #KEYS do
  local key, version, payload, life_ms = KEYS[i], ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  if version == '' then
    redis.call('HDEL', key, writer)
  else
    local fields = redis.call('HGETALL', key)
    local announced, known, others, doubtful = false, nil, false, false
    for n = 1, #fields, 2 do
      local field, value = fields[n], fields[n + 1]
      if field == writer then
        announced = true
      elseif field == 'v' then
        known = tonumber(value)
      elseif field == 'd' then
        doubtful = true
      elseif string.sub(field, 1, 2) == 'w:' and tonumber(value) > now then
        others = true
      end
    end
    local newest = version ~= '?' and not (known and known > tonumber(version))
    local put = newest and announced and payload ~= '' and not others and not doubtful
    -- What stays is set before anything goes, as begin_write.lua says.
    if others and (doubtful or version == '?') then
      -- Marks the entry: none of the writers still at work can tell any more whether its row is the newest.
      redis.call('HSET', key, 'd', '1')
    end
    if put then
      redis.call('HSET', key, 'v', version, 'p', payload)
      redis.call('HDEL', key, writer, 'l')
      redis.call('PEXPIRE', key, life_ms)
    else
      if newest then
        redis.call('HSET', key, 'v', version)
      end
      -- Normally the announcement has dropped payload and lease already. But it may have expired, and a reader filled the
      -- entry since.
      redis.call('HDEL', key, writer, 'p', 'l')
      if doubtful and not others then
        redis.call('HDEL', key, 'd')
      end
      -- The version must outlive every reader and writer that may still hold an older one.
      if newest and redis.call('PTTL', key) < longest then
        redis.call('PEXPIRE', key, longest)
      end
    end
  end
end
