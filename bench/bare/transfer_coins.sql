-- What TransferCoins writes: both players' rows, an entry of the ledger for each, the request's record with its answer.
\set n random(0, :players - 2)
\set m random(:n + 1, :players - 1)
WITH locked AS (
    SELECT player_id, coins
    FROM players
    WHERE player_id IN (bench_player(:n), bench_player(:m))
    ORDER BY player_id
    FOR NO KEY UPDATE
), request AS (
    SELECT gen_random_uuid() AS request_id, uuidv7() AS transfer_id
), moved AS (
    UPDATE players p
    SET coins = locked.coins + CASE locked.player_id WHEN bench_player(:n) THEN -1 ELSE 1 END,
        version = nextval('player_versions')
    FROM locked
    WHERE p.player_id = locked.player_id
    RETURNING p.player_id, p.coins, p.held_coins, p.version
), entered AS (
    INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, request_id, transfer_id,
                               counterparty_player_id)
    SELECT player_id,
           CASE player_id WHEN bench_player(:n) THEN -1 ELSE 1 END,
           coins,
           CASE player_id WHEN bench_player(:n) THEN 'TRANSFER_OUT' ELSE 'TRANSFER_IN' END,
           'bench', request_id, transfer_id,
           CASE player_id WHEN bench_player(:n) THEN bench_player(:m) ELSE bench_player(:n) END
    FROM moved, request
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM request
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, '/savepoint.profile.v1.WalletService/TransferCoins', sha256('bench'), 1,
           jsonb_build_object('transfer_id', transfer_id, 'wallets', jsonb_agg(to_jsonb(moved)))
    FROM request, moved
    GROUP BY request_id, transfer_id
)
SELECT moved.*, transfer_id
FROM moved, request;
