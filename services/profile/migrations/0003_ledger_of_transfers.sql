-- migrate:up

-- What a transfer's two entries have in common, and who is at the other end. 0.1 wrote the transfer's id into
-- `reference`, which is the caller's now. It stays in the entries that have it: an entry never changes once written.
-- Both are null for an adjustment. So they are in transfers that a service of 0.1 still makes after this migration:
-- then the UPDATE below finds their values in `reference`, whenever it is run again.
ALTER TABLE wallet_ledger
    ADD COLUMN transfer_id            uuid,
    ADD COLUMN counterparty_player_id uuid; -- no foreign key: whoever is deleted stays named

UPDATE wallet_ledger AS entry
SET transfer_id = entry.reference::uuid, counterparty_player_id = other.player_id
FROM wallet_ledger AS own
-- The other end's entry went with its player, if that one was deleted.
LEFT JOIN wallet_ledger AS other
       ON other.reference = own.reference AND other.kind <> own.kind AND other.kind <> 'ADJUSTMENT'
WHERE entry.entry_id = own.entry_id AND own.kind <> 'ADJUSTMENT' AND entry.transfer_id IS NULL;

-- migrate:down

ALTER TABLE wallet_ledger
    DROP COLUMN transfer_id,
    DROP COLUMN counterparty_player_id;
