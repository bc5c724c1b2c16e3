-- migrate:up

-- Every change of a player takes the next number. The sequence never goes back, not even when a player is deleted and
-- made anew under the same id. So the higher version is always the later one: the cache and the etags rely on it.
CREATE SEQUENCE player_versions;

CREATE TABLE players (
    player_id     uuid PRIMARY KEY,
    username      text NOT NULL CONSTRAINT players_username_key UNIQUE CHECK (length(username) BETWEEN 1 AND 32),
    email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    mmr           integer NOT NULL DEFAULT 1000 CHECK (mmr >= 0),
    level         integer NOT NULL DEFAULT 1 CHECK (level >= 1),
    xp            bigint NOT NULL DEFAULT 0 CHECK (xp >= 0),
    coins         bigint NOT NULL DEFAULT 0 CHECK (coins >= 0),
    held_coins    bigint NOT NULL DEFAULT 0 CHECK (held_coins BETWEEN 0 AND coins),
    attributes    jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    version       bigint NOT NULL DEFAULT nextval('player_versions')
) WITH (fillfactor = 80); -- room for an update beside the row it replaces

CREATE UNIQUE INDEX players_email_key ON players (lower(email));

-- The orders of ListPlayers; player_id makes each position unique, for paging.
CREATE INDEX players_mmr_idx ON players (mmr DESC, player_id DESC);
CREATE INDEX players_level_idx ON players (level DESC, player_id DESC);
CREATE INDEX players_created_idx ON players (created_at DESC, player_id DESC);

CREATE TABLE wallet_ledger (
    entry_id    uuid PRIMARY KEY,
    player_id   uuid NOT NULL REFERENCES players ON DELETE CASCADE,
    delta       bigint NOT NULL CHECK (delta <> 0),
    coins_after bigint NOT NULL CHECK (coins_after >= 0),
    kind        text NOT NULL CHECK (kind IN ('ADJUSTMENT', 'TRANSFER_OUT', 'TRANSFER_IN')),
    reason      text NOT NULL,
    reference   text NOT NULL DEFAULT '',
    request_id  uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX wallet_ledger_player_idx ON wallet_ledger (player_id, entry_id DESC);

-- Ids are made by the service (shared/contract/ids.py). Releases 0.1 and 0.2 left them to these defaults, and so could
-- run on PostgreSQL 18 only, which has this function; there they may run beside this version.
DO $$
BEGIN
    IF to_regprocedure('uuidv7()') IS NOT NULL THEN
        ALTER TABLE players ALTER COLUMN player_id SET DEFAULT uuidv7();
        ALTER TABLE wallet_ledger ALTER COLUMN entry_id SET DEFAULT uuidv7();
    END IF;
END
$$;

-- What has been done under which request_id, and what was answered: see shared/stores/requests/records.py.
CREATE TABLE requests (
    request_id  uuid CONSTRAINT requests_pkey PRIMARY KEY,
    method      text NOT NULL,
    fingerprint bytea NOT NULL,
    answer      jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX requests_created_idx ON requests USING brin (created_at);

-- migrate:down

DROP TABLE requests, wallet_ledger, players;
DROP SEQUENCE player_versions;
