-- What differs between databases in the queries of this area, and nothing else.

-- piece: asked_adjustments (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, request_id uuid, fingerprint text, earlier_s float8, player_id uuid, delta bigint, reason text,
    reference text, drawn_id text)

-- piece: asked_adjustments (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'request_id')::uuid AS request_id,
           a ->> 'fingerprint' AS fingerprint, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'player_id')::uuid AS player_id,
           (a ->> 'delta')::int8 AS delta, a ->> 'reason' AS reason, a ->> 'reference' AS reference,
           a ->> 'drawn_id' AS drawn_id
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: asked_transfers (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, request_id uuid, fingerprint text, earlier_s float8, sender_id uuid, receiver_id uuid,
    amount bigint, reason text, reference text, transfer_id uuid, sender_drawn_id text, receiver_drawn_id text)

-- piece: asked_transfers (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'request_id')::uuid AS request_id,
           a ->> 'fingerprint' AS fingerprint, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'sender_id')::uuid AS sender_id,
           (a ->> 'receiver_id')::uuid AS receiver_id, (a ->> 'amount')::int8 AS amount, a ->> 'reason' AS reason,
           a ->> 'reference' AS reference, (a ->> 'transfer_id')::uuid AS transfer_id,
           a ->> 'sender_drawn_id' AS sender_drawn_id, a ->> 'receiver_drawn_id' AS receiver_drawn_id
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: version_drawn (postgresql)
-- The version of the player, and the moment of the entry in microseconds.
nextval('player_versions') AS version, (date_part('epoch', clock_timestamp()) * 1000000)::bigint AS moment

-- piece: version_drawn (cockroachdb)
-- A version is the time here, and more than the version before (docs/data-model.md); so it is the entry's moment too.
GREATEST(locked.version + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8) AS version

-- piece: versions_drawn (postgresql)
nextval('player_versions') AS sender_version, nextval('player_versions') AS receiver_version,
(date_part('epoch', clock_timestamp()) * 1000000)::bigint AS moment

-- piece: versions_drawn (cockroachdb)
GREATEST(s.version + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8) AS sender_version,
GREATEST(r.version + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8) AS receiver_version

-- piece: entry_id (postgresql)
(lpad(to_hex(moment / 1000), 12, '0') || '7' || lpad(to_hex(moment %% 1000 * 4096 / 1000), 3, '0')
 || substr(drawn_id, 20))::uuid

-- piece: entry_id (cockroachdb)
(lpad(to_hex(div(version, 1000)::int8), 12, '0') || '7' || lpad(to_hex(version %% 1000 * 4), 3, '0')
 || substr(drawn_id, 20))::uuid

-- piece: and_moment (postgresql)
, moment

-- piece: and_moment (cockroachdb)
