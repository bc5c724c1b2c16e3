-- What AdjustCoins writes: the player's row, an entry of the ledger, the request's record with its answer.
\set n random(0, :players - 1)
WITH adjusted AS (
    UPDATE players
    SET coins = coins + 1, version = nextval('player_versions')
    WHERE player_id = bench_player(:n)
    RETURNING player_id, coins, held_coins, version
), entered AS (
    INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, request_id)
    SELECT player_id, 1, coins, 'ADJUSTMENT', 'bench', gen_random_uuid()
    FROM adjusted
    RETURNING *
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM entered
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, '/savepoint.profile.v1.WalletService/AdjustCoins', sha256('bench'), 1,
           jsonb_build_object('wallet', to_jsonb(adjusted), 'entry', to_jsonb(entered))
    FROM adjusted, entered
)
SELECT adjusted.version, entered.*
FROM adjusted, entered;
