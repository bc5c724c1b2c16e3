-- Deletes a board and its entries. The records of its requests expire by themselves; until then they are ignored,
-- because they name the created_by of a board that is no more.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- KEYS[4] the call: set once it has taken effect, so that it takes none when the service sends it again
-- ARGV[1] how long the call may be sent again, s
-- Returns 1, or nil when there is no such board.
if redis.call('EXISTS', KEYS[4]) == 1 then
  return 1
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('SET', KEYS[4], '', 'EX', ARGV[1])
return 1
