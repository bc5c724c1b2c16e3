-- What GrantItem writes: the item's row, the request's record with its answer.
\set n random(0, :players - 1)
\set item random(0, :items - 1)
WITH granted AS (
    INSERT INTO inventory AS i (player_id, item_type, item_id, quantity)
    VALUES (bench_player(:n), 'type-' || :item::integer % 4, 'item-' || lpad((:item::integer)::text, 4, '0'), 1)
    ON CONFLICT (player_id, item_type, item_id) DO UPDATE
    SET quantity = i.quantity + EXCLUDED.quantity, updated_at = now(), version = nextval('item_versions')
    RETURNING i.*
), request AS (
    SELECT gen_random_uuid() AS request_id
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM request
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, '/savepoint.inventory.v1.InventoryService/GrantItem', sha256('bench'), 1, to_jsonb(granted)
    FROM request, granted
)
SELECT *
FROM granted;
