-- migrate:up

-- Every change of an item takes the next number. The sequence never goes back, not even when an item is used up and
-- granted anew. So the higher version is always the later one, and an old etag never fits the new item.
CREATE SEQUENCE item_versions;

-- Players live in profile's database, so nothing here refers to them; see known_players.py.
CREATE TABLE known_players (
    player_id uuid PRIMARY KEY,
    seen_at   timestamptz NOT NULL DEFAULT now()
);

-- Text by which lists are ordered is compared by its bytes: the order must not change with the locale or its version.
CREATE TABLE inventory (
    player_id   uuid NOT NULL,
    item_type   text COLLATE "C" NOT NULL CHECK (length(item_type) BETWEEN 1 AND 50),
    item_id     text COLLATE "C" NOT NULL CHECK (length(item_id) BETWEEN 1 AND 100),
    quantity    bigint NOT NULL CHECK (quantity > 0), -- the last one consumed removes the row
    metadata    jsonb, -- null: none was ever set
    acquired_at timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    version     bigint NOT NULL DEFAULT nextval('item_versions'),
    PRIMARY KEY (player_id, item_type, item_id)
) WITH (fillfactor = 80); -- room for an update beside the row it replaces

CREATE TABLE matches (
    match_id    uuid CONSTRAINT matches_pkey PRIMARY KEY,
    game_mode   text COLLATE "C" NOT NULL CHECK (length(game_mode) BETWEEN 1 AND 32),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz CHECK (ended_at >= started_at), -- null: in progress
    winner_team integer CHECK (winner_team >= 0),
    metadata    jsonb NOT NULL DEFAULT '{}'
);

-- The orders of ListMatches; match_id makes each position unique, for paging.
CREATE INDEX matches_started_idx ON matches (started_at DESC, match_id DESC);
CREATE INDEX matches_game_mode_idx ON matches (game_mode, started_at DESC, match_id DESC);

-- game_mode and started_at repeat the match's, because the indexes of a player's matches need them; neither ever
-- changes. There is no foreign key to matches: the same statement writes both, and the key would cost a third of
-- RecordMatch.
CREATE TABLE match_players (
    match_id   uuid NOT NULL,
    player_id  uuid NOT NULL,
    game_mode  text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    team       integer NOT NULL CHECK (team >= 0),
    score      bigint NOT NULL,
    kills      integer NOT NULL CHECK (kills >= 0),
    deaths     integer NOT NULL CHECK (deaths >= 0),
    mmr_change integer NOT NULL,
    xp_gained  bigint NOT NULL CHECK (xp_gained >= 0),
    PRIMARY KEY (match_id, player_id)
) WITH (fillfactor = 80); -- a finish updates the rows of its match

CREATE INDEX match_players_player_idx ON match_players (player_id, started_at DESC, match_id DESC);
CREATE INDEX match_players_game_mode_idx ON match_players (player_id, game_mode, started_at DESC, match_id DESC);

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

DROP TABLE requests, match_players, matches, inventory, known_players;
DROP SEQUENCE item_versions;
