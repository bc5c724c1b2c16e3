-- Says whether a request_id was used on a board for another request.
--
-- KEYS[1] the request's record
-- ARGV[1] the request's fingerprint
-- Returns 1 if so, else 0.
local recorded = redis.call('GET', KEYS[1])
return recorded and cmsgpack.unpack(recorded)[1] ~= ARGV[1] and 1 or 0
