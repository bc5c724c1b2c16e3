-- migrate:up

-- What a transfer's two entries have in common, and who is at the other end. Both are null for an adjustment.
ALTER TABLE wallet_ledger
    ADD COLUMN transfer_id            uuid,
    ADD COLUMN counterparty_player_id uuid; -- no foreign key: whoever is deleted stays named

-- migrate:down

ALTER TABLE wallet_ledger
    DROP COLUMN transfer_id,
    DROP COLUMN counterparty_player_id;
