-- Sets scores on one board for the requests of many callers, in the order given, and records each answer under its
-- request_id.
--
-- ranks is a sorted set of score -> member, best last. A member is a place (28 hexadecimal digits) and the entry_id:
-- of equal scores the greater place leads. A place is the subscore (16 digits), then a number that falls with each
-- change on the board (12 digits), so whoever got there first has the greater one.
-- entries is a hash of entry_id -> record: place, score, subscore, updated_at, metadata, a line each. Scores go through
-- as the text they came as; Lua never makes a number of one.
--
-- A call of the server costs a microsecond before it does anything. So records are read by one call and written by
-- another, and only what moves ranks is called for each: the rank that is answered is that of the moment, with all before
-- it moved and none after it. Making a string costs a fifth of a microsecond: a record is taken apart only where it has
-- metadata.
--
-- New members come before old ones go. A key that is empty for a moment is no more, and a cluster that is just moving the
-- board to another node would refuse to make it anew in the middle of the script.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- KEYS[4…] the records of those requests that have a request_id, in their order: fingerprint, answer, and the
--   created_by of the board it is of. An answer counts on that very board only. That there was no board is recorded as
--   false, and counts on any.
-- ARGV[1] how long records are kept, s
-- ARGV[2] the call, unlike any other; `changed` of the board holds it from now on, with the time (list_top.lua)
-- ARGV[3] '1' where an entry_id stands more than once
-- ARGV[4…] each request: its fingerprint ('' without a request_id), and its submission: entry_id, score, and '' where the
--   subscore is 0 and metadata stays as it is, else the subscore as 16 digits, the subscore as text, a line break, the
--   new metadata or nothing
-- Returns an answer for each request: nil when there is no such board; 'reused' when the request_id was used for another
-- request; else changed (1 or 0), rank, record, and what was before: rank, record ('' for a new entry).
local call, sub, byte, find, format = redis.call, string.sub, string.byte, string.find, string.format
local first, repeated = 4, ARGV[3] == '1'
local created_by, seq = unpack(call('HMGET', KEYS[1], 'created_by', 'seq'))
local time = call('TIME')
local now = format('%s%06d', time[1], time[2])

-- All is read before anything is written: what cannot be read, for whatever reason, must not leave half of a write.
local entry_ids = {}
-- By their keys, the records of requests: fingerprint, answer, created_by.
local records = {}
local key = 3
for i = first, #ARGV, 4 do
  if ARGV[i] ~= '' then
    key = key + 1
    local packed = call('GET', KEYS[key])
    records[KEYS[key]] = packed and cmsgpack.unpack(packed) or nil
  end
  entry_ids[#entry_ids + 1] = ARGV[i + 1]
end
local found = created_by and call('HMGET', KEYS[3], unpack(entry_ids))
-- The records as this script has left them, where it may meet an entry again.
local latest = {}
-- entry_id and record of those that are to be written.
local written = {}

local answers = {}
key = 3
-- No functions in here: to make one costs more than the rest of a submission's Lua.
for n, entry_id in ipairs(entry_ids) do
  local i = first + 4 * n - 4
  local fingerprint, score, rest = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  -- What is recorded under the request_id, if it counts.
  local recorded
  if fingerprint ~= '' then
    key = key + 1
    local record = records[KEYS[key]]
    if record then
      local made_of, answer, board = unpack(record)
      -- Records of 0.1 do not say which board they are of.
      if not answer or not board or board == created_by then
        recorded = answer
        if made_of ~= fingerprint then
          recorded = 'reused'
        end
      end
    end
  end
  local answer = false
  if recorded ~= nil then
    answer = recorded
  elseif created_by then
    local before = repeated and latest[entry_id] or found[n]
    local digits, numbers, metadata = '8000000000000000', score .. '\n0\n', ''
    if rest ~= '' then
      digits = sub(rest, 1, 16)
      local _, line_end = find(rest, '\n', 17, true)
      numbers, metadata = score .. '\n' .. sub(rest, 17, line_end), sub(rest, line_end + 1)
    end
    local changed, member, rank, metadata_before = true, nil, 0, ''
    if before then
      member = sub(before, 1, 28) .. entry_id
      -- They stand behind the place.
      changed = find(before, numbers, 30, true) ~= 30
      if byte(before, -1) ~= 10 then
        metadata_before = string.match(before, '^%S+\n%S+\n%S+\n%S+\n(.*)$')
      end
      if metadata == '' then
        metadata = metadata_before
      end
      rank = call('ZREVRANK', KEYS[2], member) + 1
    end
    local rank_before, record = rank, before
    if changed then
      seq = seq + 1
      local order = format('%012x', 2^48 - seq)
      local member_before = member
      member = digits .. order .. entry_id
      call('ZADD', KEYS[2], score, member)
      if member_before then
        call('ZREM', KEYS[2], member_before)
      end
      rank = call('ZREVRANK', KEYS[2], member) + 1
      record = digits .. order .. '\n' .. numbers .. now .. '\n' .. metadata
    elseif metadata ~= metadata_before then
      record = sub(before, 1, 29) .. numbers .. now .. '\n' .. metadata
    end
    if record ~= before then
      written[#written + 1] = entry_id
      written[#written + 1] = record
      if repeated then
        latest[entry_id] = record
      end
    end
    answer = {changed and 1 or 0, rank, record, rank_before, before or ''}
  end
  if fingerprint ~= '' and recorded == nil then
    local record = {fingerprint, answer, created_by or nil}
    -- The same request may come again in this call.
    records[KEYS[key]] = record
    call('SET', KEYS[key], cmsgpack.pack(record), 'EX', ARGV[1])
  end
  answers[n] = answer
end
if #written > 0 then
  call('HSET', KEYS[3], unpack(written))
  call('HSET', KEYS[1], 'seq', format('%.0f', seq), 'changed', now .. ' ' .. ARGV[2])
end
return answers
