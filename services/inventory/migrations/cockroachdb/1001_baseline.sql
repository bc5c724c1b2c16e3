-- migrate:up

-- What PostgreSQL's migrations 0001 to 0005 come to, in what CockroachDB and PostgreSQL both take, so that it can be
-- tested without a cluster: no sequence, no partition, no trigger, no function.

-- Players live in profile's database, so nothing here refers to them; see known_players.py.
CREATE TABLE known_players (
    player_id uuid NOT NULL CONSTRAINT known_players_pkey PRIMARY KEY,
    seen_at   timestamptz NOT NULL DEFAULT now()
);

-- An item's version is the time of its change in microseconds, and more than the version before (docs/data-model.md).
-- Text is compared by its bytes: here always, on PostgreSQL in a database of the locale C or C.UTF-8.
CREATE TABLE inventory (
    player_id   uuid NOT NULL,
    item_type   text NOT NULL CHECK (length(item_type) BETWEEN 1 AND 50),
    item_id     text NOT NULL CHECK (length(item_id) BETWEEN 1 AND 100),
    quantity    int8 NOT NULL CHECK (quantity >= 0), -- 0 only within a transaction that then removes the row
    metadata    jsonb, -- null: none was ever set
    acquired_at timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    version     int8 NOT NULL DEFAULT (date_part('epoch', clock_timestamp()) * 1000000)::int8,
    CONSTRAINT inventory_pkey PRIMARY KEY (player_id, item_type, item_id)
);

CREATE TABLE matches (
    match_id    uuid NOT NULL CONSTRAINT matches_pkey PRIMARY KEY,
    game_mode   text NOT NULL CHECK (length(game_mode) BETWEEN 1 AND 32),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz CHECK (ended_at >= started_at), -- null: in progress
    winner_team int4 CHECK (winner_team >= 0),
    metadata    jsonb NOT NULL DEFAULT '{}'
);

-- The orders of ListMatches; match_id makes each position unique, for paging.
CREATE INDEX matches_started_idx ON matches (started_at DESC, match_id DESC);
CREATE INDEX matches_game_mode_idx ON matches (game_mode, started_at DESC, match_id DESC);

-- game_mode and started_at repeat the match's, because the indexes of a player's matches need them; neither ever
-- changes.
CREATE TABLE match_players (
    match_id   uuid NOT NULL,
    player_id  uuid NOT NULL,
    game_mode  text NOT NULL,
    started_at timestamptz NOT NULL,
    team       int4 NOT NULL CHECK (team >= 0),
    score      int8 NOT NULL,
    kills      int8 NOT NULL CHECK (kills >= 0),
    deaths     int8 NOT NULL CHECK (deaths >= 0),
    mmr_change int4 NOT NULL,
    xp_gained  int8 NOT NULL CHECK (xp_gained >= 0),
    CONSTRAINT match_players_pkey PRIMARY KEY (match_id, player_id)
);

CREATE INDEX match_players_player_idx ON match_players (player_id, started_at DESC, match_id DESC);
CREATE INDEX match_players_game_mode_idx ON match_players (player_id, game_mode, started_at DESC, match_id DESC);

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
DROP TABLE match_players;
DROP TABLE matches;
DROP TABLE inventory;
DROP TABLE known_players;
