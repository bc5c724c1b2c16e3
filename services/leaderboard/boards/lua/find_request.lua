-- Says whether a request_id was used on a board for another request.
--
-- KEYS[1] the board
-- KEYS[2] the request's record, as submit_scores.lua makes it
-- ARGV[1] the request's fingerprint
-- Returns 1 if so, else 0.
local recorded = redis.call('GET', KEYS[2])
if not recorded then
  return 0
end
local fingerprint, answer, board = unpack(cmsgpack.unpack(recorded))
local counts = not answer or not board or board == redis.call('HGET', KEYS[1], 'created_by')
return counts and fingerprint ~= ARGV[1] and 1 or 0
