-- Every query about items. The RPC, the store's method and the query share one name.
--
-- An effect that moves value is one statement: it locks, judges, changes, and records the outcome under the request_id.
-- The outcome is the answer, or a refusal if the locked row does not allow the effect (pieces.sql and refusal.py in
-- shared/stores/requests). A repeated request does not take effect; two racing ones meet on the primary key of requests,
-- and the later one is rolled back. After `not_after`, when the call's deadline is over, nothing happens and nothing is
-- recorded; the time is checked when the locks are held (`found` is materialized for that), because the statement may
-- have waited for them.
--
-- grant_item and consume_item are for the requests of many callers (effects.py there says what goes in and comes out).
-- No two of them touch the same item. A row that somebody else has locked is left out, and its request is `busy`: it is
-- tried again in a statement of its own, which waits.
--
-- What an UPDATE sets is computed from `locked`, never from the row that it updates. If another statement has changed
-- that row since this one's snapshot, PostgreSQL first computes and checks the new values from the old row, and may
-- fail on a CHECK. A null in inventory.metadata says that none was ever set; it is read as {}.

-- name: grant_item (insert inventory)
-- An item that another statement is just making cannot be locked before: the time is checked again where it is found.
WITH asked AS (
    -- include: asked_grants
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
    -- include: impatient
), locked AS (
    SELECT number
    FROM asked
    JOIN inventory i USING (player_id, item_type, item_id)
    FOR UPDATE OF i SKIP LOCKED
), found AS MATERIALIZED (
    SELECT asked.*, locked.number IS NOT NULL AS is_locked
    FROM asked
    LEFT JOIN locked USING (number)
), ready AS (
    SELECT found.*,
        NOT is_locked AND EXISTS (
            SELECT 1
            FROM inventory i
            WHERE (i.player_id, i.item_type, i.item_id) = (found.player_id, found.item_type, found.item_id)) AS busy
    FROM found
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
), granted AS (
    INSERT INTO inventory AS i (player_id, item_type, item_id, quantity, metadata)
    SELECT player_id, item_type, item_id, quantity, metadata::jsonb
    FROM ready
    WHERE NOT busy
    ORDER BY player_id, item_type, item_id
    ON CONFLICT (player_id, item_type, item_id) DO UPDATE
    SET quantity = i.quantity + EXCLUDED.quantity,
        metadata = COALESCE(EXCLUDED.metadata, i.metadata),
        updated_at = now(),
        version =
    -- include: version_of_more
    WHERE clock_timestamp() <= %(not_after)s
    RETURNING player_id, item_type, item_id, quantity, metadata, acquired_at, updated_at, version
), outcome AS (
    SELECT number, request_id, %(method)s::text AS method, decode(fingerprint, 'hex') AS fingerprint,
           jsonb_build_object(
               'player_id', player_id, 'item_type', item_type, 'item_id', item_id, 'quantity', granted.quantity,
               'metadata', COALESCE(granted.metadata, '{}')::text, 'acquired_at', acquired_at, 'updated_at', updated_at,
               'version', version) AS answer
    FROM ready
    JOIN granted USING (player_id, item_type, item_id)
),
-- include: recorded_each
SELECT number, answer::text, NULL::bigint[] AS versions
FROM ready
LEFT JOIN outcome USING (number);

-- name: batch_grant_items (insert inventory)
-- Grants of one item add up, and the last metadata among them wins. The rows are written, and so locked, in the order
-- of their key: opposed batches wait and never deadlock. The time is checked once, at the beginning: it must not run
-- out in the middle. The answer leaves metadata out: that of 500 items may have 31 MiB.
WITH asked AS (
    -- include: asked_batch
    WHERE NOT EXISTS (SELECT 1 FROM requests WHERE request_id = %(request_id)s)
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
        version =
    -- include: version_of_more
    RETURNING player_id, item_type, item_id, quantity, metadata, acquired_at, updated_at, version
), outcome AS (
    SELECT jsonb_agg(jsonb_build_object(
               'player_id', player_id, 'item_type', item_type, 'item_id', item_id, 'quantity', granted.quantity,
               'metadata', '{}', 'acquired_at', acquired_at, 'updated_at', updated_at, 'version', version)
               ORDER BY place) AS answer
    FROM asked
    JOIN granted USING (player_id, item_type, item_id)
    HAVING count(*) > 0
),
-- include: recorded
SELECT answer::text
FROM outcome;

-- name: consume_item (update inventory)
WITH asked AS (
    -- include: asked_uses
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
    -- include: impatient
), locked AS (
    SELECT number, i.quantity AS owned, i.metadata, i.acquired_at, i.version AS version_before
    FROM asked
    JOIN inventory i USING (player_id, item_type, item_id)
    FOR UPDATE OF i SKIP LOCKED
), found AS MATERIALIZED (
    SELECT asked.*, owned, metadata, acquired_at, version_before
    FROM asked
    LEFT JOIN locked USING (number)
), judged AS (
    SELECT found.*, owned - quantity AS left_over,
    -- include: drawn_version
        AS version,
        owned IS NULL AND EXISTS (
            SELECT 1
            FROM inventory i
            WHERE (i.player_id, i.item_type, i.item_id) = (found.player_id, found.item_type, found.item_id)) AS busy,
        CASE
        WHEN COALESCE(owned, 0) < quantity THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'INSUFFICIENT_QUANTITY',
            'message', 'the player has ' || COALESCE(owned, 0)::text || ' of this item, and ' || quantity::text
                       || ' are needed',
            'metadata', jsonb_build_object('player_id', player_id, 'item_type', item_type, 'item_id', item_id,
                                           'have', COALESCE(owned, 0)::text, 'need', quantity::text))
        END AS refusal
    FROM found
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
),
-- include: taken
, outcome AS (
    SELECT number, request_id, %(method)s::text AS method, decode(fingerprint, 'hex') AS fingerprint,
           CASE WHEN refusal IS NULL
           THEN jsonb_build_object(
               'player_id', player_id, 'item_type', item_type, 'item_id', item_id, 'quantity', left_over,
               'metadata', COALESCE(metadata, '{}')::text, 'acquired_at', acquired_at, 'updated_at', now(),
               'version', version)
           ELSE jsonb_build_object('refusal', refusal) END AS answer
    FROM judged
    WHERE NOT busy
),
-- include: recorded_each
SELECT number, answer::text, NULL::bigint[] AS versions
FROM judged
LEFT JOIN outcome USING (number);

-- name: remove_used_up (delete inventory) -- only: cockroachdb
-- After consume_item, in its transaction: nobody ever sees a row with nothing left.
DELETE FROM inventory
WHERE quantity = 0 AND (player_id, item_type, item_id) IN (
    SELECT (a ->> 'player_id')::uuid, a ->> 'item_type', a ->> 'item_id'
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a));

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
SET metadata = %(metadata)s::jsonb, updated_at = now(), version =
-- include: next_version
WHERE player_id = %(player_id)s AND item_type = %(item_type)s AND item_id = %(item_id)s
  AND (%(version)s::bigint IS NULL OR version = %(version)s)
  AND clock_timestamp() <= %(not_after)s
RETURNING player_id, item_type, item_id, quantity, metadata::text, acquired_at, updated_at, version;
