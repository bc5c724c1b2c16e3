-- What differs between databases in the queries of this area, and nothing else.

-- piece: asked_grants (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, request_id uuid, fingerprint text, earlier_s float8, player_id uuid, item_type text,
    item_id text, quantity bigint, metadata text)

-- piece: asked_grants (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'request_id')::uuid AS request_id,
           a ->> 'fingerprint' AS fingerprint, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'player_id')::uuid AS player_id,
           a ->> 'item_type' AS item_type, a ->> 'item_id' AS item_id, (a ->> 'quantity')::int8 AS quantity,
           a ->> 'metadata' AS metadata
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: asked_batch (postgresql)
SELECT *
FROM ROWS FROM (
    jsonb_to_recordset(%(grants)s::jsonb)
    AS (player_id uuid, item_type text, item_id text, quantity bigint, metadata text)
) WITH ORDINALITY AS g (player_id, item_type, item_id, quantity, metadata, place)

-- piece: asked_batch (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'player_id')::uuid AS player_id, a ->> 'item_type' AS item_type, a ->> 'item_id' AS item_id,
           (a ->> 'quantity')::int8 AS quantity, a ->> 'metadata' AS metadata, place
    FROM jsonb_array_elements(%(grants)s::jsonb) WITH ORDINALITY AS e (a, place)
) AS g

-- piece: asked_uses (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, request_id uuid, fingerprint text, earlier_s float8, player_id uuid, item_type text,
    item_id text, quantity bigint)

-- piece: asked_uses (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'request_id')::uuid AS request_id,
           a ->> 'fingerprint' AS fingerprint, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'player_id')::uuid AS player_id,
           a ->> 'item_type' AS item_type, a ->> 'item_id' AS item_id, (a ->> 'quantity')::int8 AS quantity
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: version_of_more (postgresql)
-- The next version of an item `i` that is there already; a new one gets the column's default.
nextval('item_versions')

-- piece: version_of_more (cockroachdb)
GREATEST(i.version + 1, EXCLUDED.version)

-- piece: drawn_version (postgresql)
-- The next version of an item whose row is locked; `version_before` is the one before.
nextval('item_versions')

-- piece: drawn_version (cockroachdb)
GREATEST(version_before + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8)

-- piece: next_version (postgresql)
-- Likewise in an UPDATE of one item, whose row it locks itself.
nextval('item_versions')

-- piece: next_version (cockroachdb)
GREATEST(version + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8)

-- piece: taken (postgresql)
-- The last one consumed removes the row.
reduced AS (
    UPDATE inventory i
    SET quantity = left_over, updated_at = now(), version = judged.version
    FROM judged
    WHERE (i.player_id, i.item_type, i.item_id) = (judged.player_id, judged.item_type, judged.item_id)
      AND refusal IS NULL AND left_over > 0
), removed AS (
    DELETE FROM inventory i
    USING judged
    WHERE (i.player_id, i.item_type, i.item_id) = (judged.player_id, judged.item_type, judged.item_id)
      AND refusal IS NULL AND left_over = 0
)

-- piece: taken (cockroachdb)
-- A statement changes a table only once here: remove_used_up takes the empty rows away, in the same transaction.
reduced AS (
    UPDATE inventory i
    SET quantity = left_over, updated_at = now(), version = judged.version
    FROM judged
    WHERE (i.player_id, i.item_type, i.item_id) = (judged.player_id, judged.item_type, judged.item_id)
      AND refusal IS NULL
)
