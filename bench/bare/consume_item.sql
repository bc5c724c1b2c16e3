-- What ConsumeItem writes: the item's row, the request's record with its answer.
\set n random(0, :players - 1)
\set item random(0, :items - 1)
WITH reduced AS (
    UPDATE inventory
    SET quantity = quantity - 1, updated_at = now(), version = nextval('item_versions')
    WHERE player_id = bench_player(:n)
      AND item_type = 'type-' || :item::integer % 4
      AND item_id = 'item-' || lpad((:item::integer)::text, 4, '0')
    RETURNING *
), request AS (
    SELECT gen_random_uuid() AS request_id
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM request
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, '/savepoint.inventory.v1.InventoryService/ConsumeItem', sha256('bench'), 1, to_jsonb(reduced)
    FROM request, reduced
)
SELECT *
FROM reduced;
