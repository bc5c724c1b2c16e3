-- migrate:up

-- Fills in the new columns for transfers that 0.1 wrote. It put the transfer's id into `reference`, which belongs to
-- the caller now. `reference` keeps that id: what an entry says never changes once written. A file of its own, because
-- the one before locks the table until its transaction ends, and this takes half a minute for a million entries. A
-- service of 0.1 that still runs goes on to write such entries: this UPDATE finds them whenever it is run again.
UPDATE wallet_ledger AS entry
SET transfer_id = entry.reference::uuid, counterparty_player_id = other.player_id
FROM wallet_ledger AS own
-- The other end's entry went with its player, if that one was deleted.
LEFT JOIN wallet_ledger AS other
       ON other.reference = own.reference AND other.kind <> own.kind AND other.kind <> 'ADJUSTMENT'
      AND other.transfer_id IS NULL
WHERE entry.entry_id = own.entry_id AND own.kind <> 'ADJUSTMENT' AND own.transfer_id IS NULL;

-- migrate:down
