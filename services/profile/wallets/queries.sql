-- Every query of this area. The RPC, the store's method and the query share one name.
--
-- An effect that moves value is one statement: it locks, judges, changes, writes the ledger, and records the outcome
-- under the request_id. The outcome is the answer, or a refusal if the locked rows do not allow the effect (pieces.sql
-- and refusal.py in shared/stores/requests). `NOT EXISTS (... requests ...)` keeps a repeated request from taking
-- effect; two racing ones meet on the primary key of requests, and the later one is rolled back. After `not_after`,
-- when the call's deadline is over, nothing happens and nothing is recorded; the time is checked when the locks are
-- held, because the statement may have waited for them. Rows are always locked in the order of player_id, so that
-- opposed calls wait for each other and never deadlock.
--
-- What an UPDATE sets is computed from `locked`, never from the row that it updates (p.coins + …). If another statement
-- has changed that row since this one's snapshot, PostgreSQL first computes and checks the new values from the old row,
-- and only then finds the newer one. A spend that follows a gain closely would fail on `CHECK (coins >= 0)`, as
-- INTERNAL.

-- name: get_wallet (select players)
SELECT player_id, coins, held_coins
FROM players
WHERE player_id = %(player_id)s;

-- name: adjust_coins (update players)
WITH locked AS (
    SELECT player_id, coins, held_coins
    FROM players
    WHERE player_id = %(player_id)s
      AND NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
    FOR NO KEY UPDATE
), judged AS (
    SELECT locked.*, CASE
        WHEN player_id IS NULL THEN jsonb_build_object(
            'kind', 'NOT_FOUND',
            'reason', 'PLAYER_NOT_FOUND',
            'message', 'no player has this player_id; create the player first',
            'metadata', jsonb_build_object('player_id', %(player_id)s::uuid))
        WHEN coins - held_coins + %(delta)s::numeric < 0 THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'INSUFFICIENT_COINS',
            'message', format('the player has %%s coins to spend, and %%s are needed',
                              coins - held_coins, -%(delta)s::numeric),
            'metadata', jsonb_build_object('player_id', player_id,
                                           'have', (coins - held_coins)::text,
                                           'need', (-%(delta)s::numeric)::text))
        WHEN coins + %(delta)s::numeric > 9223372036854775807 THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'COINS_LIMIT',
            'message', 'the player would own more than 9223372036854775807 coins',
            'metadata', jsonb_build_object('player_id', player_id))
        END AS refusal
    FROM (VALUES (1)) AS one
    LEFT JOIN locked ON true
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
), adjusted AS (
    UPDATE players p
    SET coins = judged.coins + %(delta)s, held_coins = judged.held_coins, version = nextval('player_versions')
    FROM judged
    WHERE p.player_id = judged.player_id AND refusal IS NULL
    RETURNING p.player_id, p.coins, p.held_coins, p.version
), entered AS (
    INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, reference, request_id)
    SELECT player_id, %(delta)s, coins, 'ADJUSTMENT', %(reason)s, %(reference)s, %(request_id)s
    FROM adjusted
    RETURNING *
), outcome AS (
    SELECT CASE WHEN refusal IS NULL
           THEN jsonb_build_object('wallet', to_jsonb(adjusted) - 'version', 'entry', to_jsonb(entered))
           ELSE jsonb_build_object('refusal', refusal) END AS answer,
           version
    FROM judged
    LEFT JOIN adjusted ON true
    LEFT JOIN entered ON true
),
-- include: recorded
SELECT answer::text, version
FROM outcome;

-- name: transfer_coins (update players)
WITH locked AS (
    SELECT player_id, coins, held_coins
    FROM players
    WHERE player_id IN (%(sender_id)s, %(receiver_id)s)
      AND NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
    ORDER BY player_id
    FOR NO KEY UPDATE
), judged AS (
    SELECT uuidv7() AS transfer_id, CASE
        WHEN s.player_id IS NULL OR r.player_id IS NULL THEN jsonb_build_object(
            'kind', 'NOT_FOUND',
            'reason', 'PLAYER_NOT_FOUND',
            'message', 'no player has this player_id; create the player first',
            'metadata', jsonb_build_object(
                'player_id', CASE WHEN s.player_id IS NULL THEN %(sender_id)s::uuid ELSE %(receiver_id)s::uuid END))
        WHEN s.coins - s.held_coins < %(amount)s THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'INSUFFICIENT_COINS',
            'message', format('the player has %%s coins to spend, and %%s are needed',
                              s.coins - s.held_coins, %(amount)s::bigint),
            'metadata', jsonb_build_object('player_id', s.player_id,
                                           'have', (s.coins - s.held_coins)::text,
                                           'need', %(amount)s::bigint::text))
        WHEN r.coins + %(amount)s::numeric > 9223372036854775807 THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'COINS_LIMIT',
            'message', 'the player would own more than 9223372036854775807 coins',
            'metadata', jsonb_build_object('player_id', r.player_id))
        END AS refusal
    FROM (VALUES (1)) AS one
    LEFT JOIN locked s ON s.player_id = %(sender_id)s
    LEFT JOIN locked r ON r.player_id = %(receiver_id)s
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
), moved AS (
    UPDATE players p
    SET coins = locked.coins
                + CASE locked.player_id WHEN %(sender_id)s THEN -%(amount)s::bigint ELSE %(amount)s::bigint END,
        held_coins = locked.held_coins,
        version = nextval('player_versions')
    FROM locked, judged
    WHERE p.player_id = locked.player_id AND refusal IS NULL
    RETURNING p.player_id, p.coins, p.held_coins, p.version, transfer_id
), entered AS (
    INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, reference, request_id, transfer_id,
                               counterparty_player_id)
    SELECT player_id,
           CASE player_id WHEN %(sender_id)s THEN -%(amount)s::bigint ELSE %(amount)s::bigint END,
           coins,
           CASE player_id WHEN %(sender_id)s THEN 'TRANSFER_OUT' ELSE 'TRANSFER_IN' END,
           %(reason)s, %(reference)s, %(request_id)s, transfer_id,
           CASE player_id WHEN %(sender_id)s THEN %(receiver_id)s::uuid ELSE %(sender_id)s::uuid END
    FROM moved
), outcome AS (
    SELECT CASE WHEN refusal IS NULL
           THEN jsonb_build_object('transfer_id', judged.transfer_id,
                                   'sender', to_jsonb(s) - 'version' - 'transfer_id',
                                   'receiver', to_jsonb(r) - 'version' - 'transfer_id')
           ELSE jsonb_build_object('refusal', refusal) END AS answer,
           s.version AS sender_version,
           r.version AS receiver_version
    FROM judged
    LEFT JOIN moved s ON s.player_id = %(sender_id)s
    LEFT JOIN moved r ON r.player_id = %(receiver_id)s
),
-- include: recorded
SELECT answer::text, sender_version, receiver_version
FROM outcome;
