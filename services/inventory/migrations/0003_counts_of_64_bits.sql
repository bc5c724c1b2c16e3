-- migrate:up

-- Counts have 64 bits everywhere. The table is written anew and locked meanwhile, some ten seconds for a million rows.
ALTER TABLE match_players
    ALTER COLUMN kills TYPE bigint,
    ALTER COLUMN deaths TYPE bigint;

-- migrate:down

ALTER TABLE match_players
    ALTER COLUMN kills TYPE integer,
    ALTER COLUMN deaths TYPE integer;
