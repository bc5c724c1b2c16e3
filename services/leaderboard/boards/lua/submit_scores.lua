-- Sets scores on one board, in the order given, and records the answer under the request_id.
--
-- ranks is a sorted set of score -> member, best last. A member is a place (28 hexadecimal digits) and the entry_id:
-- of equal scores the greater place leads. A place is the subscore (16 digits), then a number that falls with each
-- change on the board (12 digits), so whoever got there first has the greater one.
-- entries is a hash of entry_id -> record: place, score, subscore, updated_at, metadata, a line each. Scores go through
-- as the text they came as; Lua never makes a number of one.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- KEYS[4] the request's record; only with a request_id: fingerprint, answer, and the created_by of the board it is of.
--   An answer counts on that very board only. That there was no board is recorded as false, and counts on any.
-- ARGV[1] the request's fingerprint; '' without a request_id
-- ARGV[2] how long the record is kept, s
-- ARGV[3] '1' to leave metadata and what was before out of the answer: a batch's must not grow too large
-- ARGV[4…] five for each submission: entry_id, score, subscore, subscore as 16 digits, metadata ('' leaves it as it is)
-- Returns five for each submission: changed (1 or 0), rank, record, and what was before: rank, record ('' for a new
-- entry). nil when there is no such board. 'reused' when the request_id was used for another request.
local created_by = redis.call('HGET', KEYS[1], 'created_by')
if KEYS[4] then
  local recorded = redis.call('GET', KEYS[4])
  if recorded then
    local fingerprint, answer, board = unpack(cmsgpack.unpack(recorded))
    -- Records of 0.1 do not say which board they are of.
    if not answer or not board or board == created_by then
      if fingerprint ~= ARGV[1] then
        return 'reused'
      end
      return answer
    end
  end
end
if not created_by then
  if KEYS[4] then
    redis.call('SET', KEYS[4], cmsgpack.pack({ARGV[1], false}), 'EX', ARGV[2])
  end
  return false
end
local time = redis.call('TIME')
local now = string.format('%s%06d', time[1], time[2])
local answer = {}
for i = 4, #ARGV, 5 do
  local entry_id, score, subscore, subscore_digits, metadata = unpack(ARGV, i, i + 4)
  local before = redis.call('HGET', KEYS[3], entry_id) or ''
  local place, old_score, old_subscore, old_metadata = string.match(before, '^(%S+)\n(%S+)\n(%S+)\n%S+\n(.*)$')
  local rank_before = place and redis.call('ZREVRANK', KEYS[2], place .. entry_id) + 1 or 0
  local changed = score ~= old_score or subscore ~= old_subscore
  if metadata == '' then
    metadata = old_metadata or ''
  end
  local record, rank = before, rank_before
  if changed or metadata ~= old_metadata then
    if changed then
      if place then
        redis.call('ZREM', KEYS[2], place .. entry_id)
      end
      place = subscore_digits .. string.format('%012x', 2^48 - redis.call('HINCRBY', KEYS[1], 'seq', 1))
      redis.call('ZADD', KEYS[2], score, place .. entry_id)
      rank = redis.call('ZREVRANK', KEYS[2], place .. entry_id) + 1
    end
    record = table.concat({place, score, subscore, now, metadata}, '\n')
    redis.call('HSET', KEYS[3], entry_id, record)
  end
  if ARGV[3] == '1' then
    record, before = string.match(record, '^%S+\n%S+\n%S+\n%S+\n'), ''
  end
  local n = #answer
  answer[n + 1], answer[n + 2], answer[n + 3] = changed and 1 or 0, rank, record
  answer[n + 4], answer[n + 5] = rank_before, before
end
if KEYS[4] then
  redis.call('SET', KEYS[4], cmsgpack.pack({ARGV[1], answer, created_by}), 'EX', ARGV[2])
end
return answer
