-- Reads a player, or says who loads it.
--
-- The entry is a hash: p the payload, v its version or the newest version known, l the lease of whoever loads
-- ("token until-ms"), w:<token> until-ms for each writer between its announcement and its end,
-- d once a writer has ended without knowing its version while others were at work; e the reign, where reign.lua is.
--
-- KEYS[1] the entry
-- ARGV[1] the caller's token, for a lease
-- ARGV[2] how long a lease lasts, ms
-- ARGV[3] how soon before its end an entry is loaded anew, ms
-- Returns the payload where there is nothing to be done; else {payload or '', state, lease token or ''}; the state is
--   'lease' (the caller loads, also where a payload is near its end), 'wait' (the token's owner loads),
--   'bypass' (a writer is at work: load, and do not fill).

-- Nearly every entry that is read is a payload and its version, and no more. This takes half the time of what follows.
if redis.call('HLEN', KEYS[1]) == 2 then
  local payload = redis.call('HGET', KEYS[1], 'p')
  if payload and redis.call('PTTL', KEYS[1]) > tonumber(ARGV[3]) then
    return payload
  end
end

local entry = redis.call('HGETALL', KEYS[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local payload, lease, leased_until, writing = false, '', 0, false
for i = 1, #entry, 2 do
  local field, value = entry[i], entry[i + 1]
  if field == 'p' then
    payload = value
  elseif field == 'l' then
    local token, untill = string.match(value, '^(%S+) (%d+)$')
    lease, leased_until = token, tonumber(untill)
  elseif string.sub(field, 1, 2) == 'w:' and tonumber(value) > now then
    writing = true
  end
end
if writing then
  return {'', 'bypass', ''}
end
local loading = leased_until > now
if payload and (loading or redis.call('PTTL', KEYS[1]) > tonumber(ARGV[3])) then
  return payload
end
if loading then
  return {'', 'wait', lease}
end
redis.call('HSET', KEYS[1], 'l', ARGV[1] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[2])))
if not payload and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {payload or '', 'lease', ARGV[1]}
