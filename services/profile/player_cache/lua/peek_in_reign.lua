-- Likewise peek.lua, where an entry may be of another reign (reign.lua).
--
-- KEYS the entries
-- ARGV[1] how soon before its end an entry is loaded anew, ms
-- ARGV[2] the reign of the server that runs this
-- Returns as peek.lua does.
local early, found = tonumber(ARGV[1]), {}
for i = 1, #KEYS do
  found[i] = false
  if redis.call('HLEN', KEYS[i]) == 3 then
    local payload, reign = unpack(redis.call('HMGET', KEYS[i], 'p', 'e'))
    if payload and reign == ARGV[2] and redis.call('PTTL', KEYS[i]) > early then
      found[i] = payload
    end
  end
end
return found
