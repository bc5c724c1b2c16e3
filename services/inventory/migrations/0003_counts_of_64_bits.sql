-- migrate:up

-- Counts have 64 bits everywhere. The table is written anew, and locked meanwhile: some 10 s for 10 million rows.
ALTER TABLE match_players
    ALTER COLUMN kills TYPE bigint,
    ALTER COLUMN deaths TYPE bigint;

-- migrate:down

ALTER TABLE match_players
    ALTER COLUMN kills TYPE integer,
    ALTER COLUMN deaths TYPE integer;
