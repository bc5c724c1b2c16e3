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
  local announced = redis.call('HDEL', key, writer) == 1
  if version ~= '' then
    local fields = redis.call('HGETALL', key)
    local known, others, doubtful, filled = nil, false, false, false
    for n = 1, #fields, 2 do
      local field, value = fields[n], fields[n + 1]
      if field == 'v' then
        known = tonumber(value)
      elseif field == 'd' then
        doubtful = true
      elseif field == 'p' or field == 'l' then
        filled = true
      elseif tonumber(value) > now then
        others = true
      end
    end
    if filled then
      -- Normally the announcement has dropped these already. But it may have expired, and a reader filled the entry since.
      redis.call('HDEL', key, 'p', 'l')
    end
    if others and (doubtful or version == '?') then
      -- Marks the entry: none of the writers still at work can tell any more whether its row is the newest.
      redis.call('HSET', key, 'd', '1')
    elseif doubtful then
      redis.call('HDEL', key, 'd')
    end
    if version ~= '?' and not (known and known > tonumber(version)) then
      if others or doubtful or not announced or payload == '' then
        redis.call('HSET', key, 'v', version)
        -- The version must outlive every reader and writer that may still hold an older one.
        if redis.call('PTTL', key) < longest then
          redis.call('PEXPIRE', key, longest)
        end
      else
        redis.call('HSET', key, 'v', version, 'p', payload)
        redis.call('PEXPIRE', key, life_ms)
      end
    end
  end
end
