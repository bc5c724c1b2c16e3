-- migrate:up

-- What PostgreSQL's migrations 0001 to 0007 come to, in what CockroachDB and PostgreSQL both take, so that it can be
-- tested without a cluster: no sequence, no partition, no trigger, no function.

-- A player's version is the time of its change in microseconds, and more than the version before. It takes the place of
-- a sequence, whose every number all regions would ask the same range for (docs/data-model.md).
CREATE TABLE players (
    player_id     uuid NOT NULL CONSTRAINT players_pkey PRIMARY KEY,
    username      text NOT NULL CONSTRAINT players_username_key UNIQUE CHECK (length(username) BETWEEN 1 AND 32),
    email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    mmr           int4 NOT NULL DEFAULT 1000 CHECK (mmr >= 0),
    level         int4 NOT NULL DEFAULT 1 CHECK (level >= 1),
    xp            int8 NOT NULL DEFAULT 0 CHECK (xp >= 0),
    coins         int8 NOT NULL DEFAULT 0 CHECK (coins >= 0),
    held_coins    int8 NOT NULL DEFAULT 0 CHECK (held_coins BETWEEN 0 AND coins),
    attributes    jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    version       int8 NOT NULL DEFAULT (date_part('epoch', clock_timestamp()) * 1000000)::int8
);

CREATE UNIQUE INDEX players_email_key ON players (lower(email));

-- The orders of ListPlayers; player_id makes each position unique, for paging.
CREATE INDEX players_mmr_idx ON players (mmr DESC, player_id DESC);
CREATE INDEX players_level_idx ON players (level DESC, player_id DESC);
CREATE INDEX players_created_idx ON players (created_at DESC, player_id DESC);

-- No foreign key, as on PostgreSQL: a movement locks its player first, and delete_player deletes the entries.
CREATE TABLE wallet_ledger (
    entry_id               uuid NOT NULL CONSTRAINT wallet_ledger_pkey PRIMARY KEY,
    player_id              uuid NOT NULL,
    delta                  int8 NOT NULL CHECK (delta <> 0),
    coins_after            int8 NOT NULL CHECK (coins_after >= 0),
    kind                   text NOT NULL CHECK (kind IN ('ADJUSTMENT', 'TRANSFER_OUT', 'TRANSFER_IN')),
    reason                 text NOT NULL,
    reference              text NOT NULL DEFAULT '',
    request_id             uuid NOT NULL,
    created_at             timestamptz NOT NULL DEFAULT now(),
    transfer_id            uuid,
    counterparty_player_id uuid
);

CREATE INDEX wallet_ledger_player_idx ON wallet_ledger (player_id, entry_id DESC);

-- What has been done under which request_id, and what was answered, in one row: shared/stores/requests/records.py.
CREATE TABLE requests (
    request_id  uuid NOT NULL CONSTRAINT requests_pkey PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now(),
    version     int2 NOT NULL, -- of the answer's JSON: shared/stores/requests/kept.py
    method      text NOT NULL,
    fingerprint bytea NOT NULL,
    answer      jsonb NOT NULL
);

CREATE INDEX requests_created_at_idx ON requests (created_at);

-- migrate:down

DROP TABLE requests;
DROP TABLE wallet_ledger;
DROP TABLE players;
