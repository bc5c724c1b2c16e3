-- Reads many players at once, of those that nothing has to be done for; changes nothing. The entries are as in read.lua.
--
-- KEYS the entries
-- ARGV[1] how soon before its end an entry is loaded anew, ms
-- Returns for each entry its payload, or false where read.lua has to look.
local early, found = tonumber(ARGV[1]), {}
for i = 1, #KEYS do
  found[i] = false
  if redis.call('HLEN', KEYS[i]) == 2 then
    local payload = redis.call('HGET', KEYS[i], 'p')
    if payload and redis.call('PTTL', KEYS[i]) > early then
      found[i] = payload
    end
  end
end
return found
