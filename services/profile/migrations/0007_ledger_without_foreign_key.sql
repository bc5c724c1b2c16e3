-- migrate:up

-- A movement locks its player's row before it writes the ledger, so the foreign key never finds anything; but it looks
-- for every entry, and that was an eighth of what a movement costs the database. What it did besides, forgetting the
-- entries of a player who is deleted, this trigger does. Like a foreign key it runs as the owner of the tables, and sees
-- entries that were committed while the deletion waited for the player's row.
CREATE FUNCTION forget_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    DELETE FROM wallet_ledger WHERE player_id = OLD.player_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER players_forget_ledger AFTER DELETE ON players FOR EACH ROW EXECUTE FUNCTION forget_ledger();

ALTER TABLE wallet_ledger DROP CONSTRAINT wallet_ledger_player_id_fkey;

-- migrate:down

ALTER TABLE wallet_ledger
    ADD CONSTRAINT wallet_ledger_player_id_fkey FOREIGN KEY (player_id) REFERENCES players ON DELETE CASCADE;
DROP TRIGGER players_forget_ledger ON players;
DROP FUNCTION forget_ledger;
