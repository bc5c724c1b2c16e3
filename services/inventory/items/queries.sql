-- Every query about items. The RPC, the store's method and the query share one name.
--
-- An effect that moves value is one statement: it locks, judges, changes, and records the outcome under the request_id.
-- The outcome is the answer, or a refusal if the locked row does not allow the effect (pieces.sql and refusal.py in
-- shared/stores/requests). `NOT EXISTS (... requests ...)` keeps a repeated request from taking effect; two racing ones
-- meet on the primary key of requests, and the later one is rolled back. After `not_after`, when the call's deadline is
-- over, nothing happens and nothing is recorded.
--
-- What an UPDATE sets is computed from `locked`, never from the row that it updates. If another statement has changed
-- that row since this one's snapshot, PostgreSQL first computes and checks the new values from the old row, and may
-- fail on a CHECK. A null in inventory.metadata says that none was ever set; it is read as {}.

-- name: grant_item (insert inventory)
-- If the player has the item, the statement may have to wait for its row's lock; so it checks the time again once it
-- has the lock.
WITH granted AS (
    INSERT INTO inventory AS i (player_id, item_type, item_id, quantity, metadata)
    SELECT %(player_id)s, %(item_type)s, %(item_id)s, %(quantity)s::bigint, %(metadata)s::jsonb
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
    ON CONFLICT (player_id, item_type, item_id) DO UPDATE
    SET quantity = i.quantity + EXCLUDED.quantity,
        metadata = COALESCE(EXCLUDED.metadata, i.metadata),
        updated_at = now(),
        version = nextval('item_versions')
    WHERE clock_timestamp() <= %(not_after)s
    RETURNING i.*
), outcome AS (
    SELECT to_jsonb(granted) || jsonb_build_object('metadata', COALESCE(granted.metadata, '{}')::text) AS answer
    FROM granted
),
-- include: recorded
SELECT answer::text
FROM outcome;

-- name: batch_grant_items (insert inventory)
-- Grants of one item add up, and the last metadata among them wins. The rows are written, and so locked, in the order
-- of their key: opposed batches wait and never deadlock. The time is checked once, at the beginning: it must not run
-- out in the middle. The answer leaves metadata out: that of 500 items may have 31 MiB.
WITH asked AS (
    SELECT *
    FROM ROWS FROM (
        jsonb_to_recordset(%(grants)s::jsonb)
        AS (player_id uuid, item_type text, item_id text, quantity bigint, metadata text)
    ) WITH ORDINALITY AS g (player_id, item_type, item_id, quantity, metadata, place)
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND (SELECT clock_timestamp() <= %(not_after)s)
), granted AS (
    INSERT INTO inventory AS i (player_id, item_type, item_id, quantity, metadata)
    SELECT player_id, item_type, item_id, sum(quantity)::bigint,
           (array_agg(metadata ORDER BY place DESC) FILTER (WHERE metadata IS NOT NULL))[1]::jsonb
    FROM asked
    GROUP BY player_id, item_type, item_id
    ORDER BY player_id, item_type, item_id
    ON CONFLICT (player_id, item_type, item_id) DO UPDATE
    SET quantity = i.quantity + EXCLUDED.quantity,
        metadata = COALESCE(EXCLUDED.metadata, i.metadata),
        updated_at = now(),
        version = nextval('item_versions')
    RETURNING i.*
), outcome AS (
    SELECT jsonb_agg(to_jsonb(granted) || jsonb_build_object('metadata', '{}') ORDER BY place) AS answer
    FROM asked
    JOIN granted USING (player_id, item_type, item_id)
    HAVING count(*) > 0
),
-- include: recorded
SELECT answer::text
FROM outcome;

-- name: consume_item (update inventory)
WITH locked AS (
    SELECT player_id, item_type, item_id, quantity
    FROM inventory
    WHERE player_id = %(player_id)s AND item_type = %(item_type)s AND item_id = %(item_id)s
      AND NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
    FOR UPDATE
), judged AS (
    SELECT locked.*, CASE
        WHEN COALESCE(quantity, 0) < %(quantity)s::bigint THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'INSUFFICIENT_QUANTITY',
            'message', format('the player has %%s of this item, and %%s are needed',
                              COALESCE(quantity, 0), %(quantity)s::bigint),
            'metadata', jsonb_build_object('player_id', %(player_id)s::uuid,
                                           'item_type', %(item_type)s::text,
                                           'item_id', %(item_id)s::text,
                                           'have', COALESCE(quantity, 0)::text,
                                           'need', %(quantity)s::bigint::text))
        END AS refusal
    FROM (VALUES (1)) AS one
    LEFT JOIN locked ON true
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
), reduced AS (
    UPDATE inventory i
    SET quantity = judged.quantity - %(quantity)s::bigint, updated_at = now(), version = nextval('item_versions')
    FROM judged
    WHERE (i.player_id, i.item_type, i.item_id) = (judged.player_id, judged.item_type, judged.item_id)
      AND judged.quantity > %(quantity)s::bigint
    RETURNING i.*
), removed AS (
    DELETE FROM inventory i
    USING judged
    WHERE (i.player_id, i.item_type, i.item_id) = (judged.player_id, judged.item_type, judged.item_id)
      AND judged.quantity = %(quantity)s::bigint
    RETURNING i.*
), consumed AS (
    SELECT to_jsonb(reduced) || jsonb_build_object('metadata', COALESCE(metadata, '{}')::text) AS item
    FROM reduced
    UNION ALL
    SELECT to_jsonb(removed) || jsonb_build_object('metadata', COALESCE(metadata, '{}')::text, 'quantity', 0,
                                                   'updated_at', now(), 'version', nextval('item_versions'))
    FROM removed
), outcome AS (
    SELECT CASE WHEN refusal IS NULL THEN item ELSE jsonb_build_object('refusal', refusal) END AS answer
    FROM judged
    LEFT JOIN consumed ON true
),
-- include: recorded
SELECT answer::text
FROM outcome;

-- name: get_item (select inventory)
SELECT player_id, item_type, item_id, quantity, COALESCE(metadata, '{}')::text AS metadata, acquired_at, updated_at,
       version
FROM inventory
WHERE player_id = %(player_id)s AND item_type = %(item_type)s AND item_id = %(item_id)s;

-- name: list_items (select inventory)
SELECT player_id, item_type, item_id, quantity, COALESCE(metadata, '{}')::text AS metadata, acquired_at, updated_at,
       version
FROM inventory
WHERE player_id = %(player_id)s AND (item_type, item_id) > (%(after_type)s, %(after_id)s)
ORDER BY item_type, item_id
LIMIT %(limit)s;

-- name: list_items_of_type (select inventory)
SELECT player_id, item_type, item_id, quantity, COALESCE(metadata, '{}')::text AS metadata, acquired_at, updated_at,
       version
FROM inventory
WHERE player_id = %(player_id)s AND item_type = %(item_type)s AND item_id > %(after_id)s
ORDER BY item_id
LIMIT %(limit)s;

-- name: update_item_metadata (update inventory)
-- With an etag, only the version the caller saw is changed.
UPDATE inventory
SET metadata = %(metadata)s::jsonb, updated_at = now(), version = nextval('item_versions')
WHERE player_id = %(player_id)s AND item_type = %(item_type)s AND item_id = %(item_id)s
  AND (%(version)s::bigint IS NULL OR version = %(version)s)
  AND clock_timestamp() <= %(not_after)s
RETURNING player_id, item_type, item_id, quantity, metadata::text, acquired_at, updated_at, version;
