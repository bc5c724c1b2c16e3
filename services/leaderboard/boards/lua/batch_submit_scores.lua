-- Sets the scores of a batch on one board, in the order given, and records the answer under its request_id.
-- submit_scores.lua says what the keys hold.
--
-- A call of the server costs a microsecond before it does anything, and a thousand entries are many. So all records are
-- read by one call and written by another, new members come by one and old ones go by one; only ranks are asked for one
-- by one, when all of the batch is in its place. Making a string costs a fifth of a microsecond: a record is taken apart
-- only where it has metadata.
--
-- KEYS[1] the board
-- KEYS[2] its ranks
-- KEYS[3] its entries
-- KEYS[4] the request's record; only with a request_id
-- ARGV[1] how long the record is kept, s
-- ARGV[2] the call, unlike any other; `changed` of the board holds it from now on, with the time (list_top.lua)
-- ARGV[3] the request's fingerprint
-- ARGV[4] '1' where an entry_id stands more than once
-- ARGV[5…] three for each submission, as submit_scores.lua takes them
-- Returns nil when there is no such board; 'reused' when the request_id was used for another request; else
-- {updated_at, ranks, {number, updated_at of that one where it is another, …}}.
local call, sub, byte, find, format, match = redis.call, string.sub, string.byte, string.find, string.format, string.match
local first, repeated = 5, ARGV[4] == '1'
local created_by, seq = unpack(call('HMGET', KEYS[1], 'created_by', 'seq'))
local time = call('TIME')
local now = format('%s%06d', time[1], time[2])
local ranks, others = {}, {}

local packed = KEYS[4] and call('GET', KEYS[4])
if packed then
  local made_of, answer, board = unpack(cmsgpack.unpack(packed))
  -- Records of 0.1 do not say which board they are of.
  if not answer or not board or board == created_by then
    if made_of ~= ARGV[3] then
      return 'reused'
    end
    if not answer then
      return false
    end
    for n = 1, #answer / 5 do
      ranks[n] = answer[5 * n - 3]
      others[2 * n - 1] = n
      others[2 * n] = match(answer[5 * n - 2], '^%S+\n%S+\n%S+\n(%S+)\n')
    end
    return {now, ranks, others}
  end
end
if not created_by then
  if KEYS[4] then
    call('SET', KEYS[4], cmsgpack.pack({ARGV[3], false}), 'EX', ARGV[1])
  end
  return false
end

local entry_ids = {}
for i = first, #ARGV, 3 do
  entry_ids[#entry_ids + 1] = ARGV[i]
end
local records = call('HMGET', KEYS[3], unpack(entry_ids))
-- What has become of an entry that stands more than once: its record, and where its score stands in `added`.
local latest, place_of = {}, {}
local members, changes, removed, added, written = {}, {}, {}, {}, {}
for n = 1, #entry_ids do
  local i = first + 3 * n - 3
  local entry_id, score, rest = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local before = repeated and latest[entry_id] or records[n]
  local digits, numbers, metadata = '8000000000000000', score .. '\n0\n', ''
  if rest ~= '' then
    digits = sub(rest, 1, 16)
    local _, line_end = find(rest, '\n', 17, true)
    numbers, metadata = score .. '\n' .. sub(rest, 17, line_end), sub(rest, line_end + 1)
  end
  local member, metadata_before = nil, ''
  local changed = true
  if before then
    member = sub(before, 1, 28) .. entry_id
    -- They stand behind the place.
    changed = find(before, numbers, 30, true) ~= 30
    if byte(before, -1) ~= 10 then
      metadata_before = match(before, '^%S+\n%S+\n%S+\n%S+\n(.*)$')
    end
    if metadata == '' then
      metadata = metadata_before
    end
  end
  local record = before
  if changed then
    local place = repeated and place_of[entry_id]
    if member and not place then
      removed[#removed + 1] = member
    end
    place = place or #added + 1
    seq = seq + 1
    local order = format('%012x', 2^48 - seq)
    member = digits .. order .. entry_id
    added[place], added[place + 1] = score, member
    record = digits .. order .. '\n' .. numbers .. now .. '\n' .. metadata
    if repeated then
      place_of[entry_id] = place
    end
  elseif metadata ~= metadata_before then
    record = sub(before, 1, 29) .. numbers .. now .. '\n' .. metadata
  end
  if record == before then
    others[#others + 1] = n
    others[#others + 1] = match(before, '^%S+\n%S+\n%S+\n(%S+)\n')
  else
    written[#written + 1], written[#written + 2] = entry_id, record
    if repeated then
      latest[entry_id] = record
    end
  end
  members[n], changes[n], records[n] = member, changed, record
end

if #added > 0 then
  call('ZADD', KEYS[2], unpack(added))
end
if #removed > 0 then
  call('ZREM', KEYS[2], unpack(removed))
end
if #written > 0 then
  call('HSET', KEYS[3], unpack(written))
  call('HSET', KEYS[1], 'seq', format('%.0f', seq), 'changed', now .. ' ' .. ARGV[2])
end
for n, entry_id in ipairs(entry_ids) do
  -- Where an entry stands more than once, its last member is the one that is on the board.
  local record = repeated and latest[entry_id]
  ranks[n] = call('ZREVRANK', KEYS[2], record and sub(record, 1, 28) .. entry_id or members[n]) + 1
end
if KEYS[4] then
  local answer = {}
  for n, record in ipairs(records) do
    local at = 5 * n - 4
    answer[at], answer[at + 1] = changes[n] and 1 or 0, ranks[n]
    -- Without metadata.
    answer[at + 2] = byte(record, -1) == 10 and record or match(record, '^%S+\n%S+\n%S+\n%S+\n')
    answer[at + 3], answer[at + 4] = 0, ''
  end
  call('SET', KEYS[4], cmsgpack.pack({ARGV[3], answer, created_by}), 'EX', ARGV[1])
end
return {now, ranks, others}
