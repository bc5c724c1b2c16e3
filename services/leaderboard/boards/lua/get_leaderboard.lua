-- Reads a board's properties.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- Returns {created_at, number of entries}, or nil when there is no such board.
local created_at = redis.call('HGET', KEYS[1], 'created_at')
return created_at and {created_at, redis.call('ZCARD', KEYS[2])}
