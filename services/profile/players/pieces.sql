-- What differs between databases in the queries of this area, and nothing else.

-- piece: asked_players (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, earlier_s float8, player_id uuid, username text, email text, attributes text)

-- piece: asked_players (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'player_id')::uuid AS player_id, a ->> 'username' AS username, a ->> 'email' AS email,
           a ->> 'attributes' AS attributes
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: asked_players_once (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, request_id uuid, fingerprint text, earlier_s float8, player_id uuid, username text, email text,
    attributes text)

-- piece: asked_players_once (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'request_id')::uuid AS request_id,
           a ->> 'fingerprint' AS fingerprint, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'player_id')::uuid AS player_id,
           a ->> 'username' AS username, a ->> 'email' AS email, a ->> 'attributes' AS attributes
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: asked_changes (postgresql)
SELECT *
FROM json_to_recordset(%(asked)s::json) AS a (
    number integer, earlier_s float8, player_id uuid, version bigint, username text, email text, attributes text,
    mmr integer, level integer, xp bigint)

-- piece: asked_changes (cockroachdb)
SELECT *
FROM (
    SELECT (a ->> 'number')::int8 AS number, (a ->> 'earlier_s')::float8 AS earlier_s,
           (a ->> 'player_id')::uuid AS player_id, (a ->> 'version')::int8 AS version, a ->> 'username' AS username,
           a ->> 'email' AS email, a ->> 'attributes' AS attributes, (a ->> 'mmr')::int4 AS mmr,
           (a ->> 'level')::int4 AS level, (a ->> 'xp')::int8 AS xp
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS a

-- piece: drawn_version (postgresql)
-- The next version of a player whose row is locked; `version_before` is the one before.
nextval('player_versions')

-- piece: drawn_version (cockroachdb)
GREATEST(version_before + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8)

-- piece: next_version (postgresql)
-- Likewise in an UPDATE of one player, whose row it locks itself.
nextval('player_versions')

-- piece: next_version (cockroachdb)
GREATEST(version + 1, (date_part('epoch', clock_timestamp()) * 1000000)::int8)

-- piece: levels (postgresql)
-- A division of integers is one of integers only on PostgreSQL.
1 + (c.xp + c.xp_delta) / 1000

-- piece: levels (cockroachdb)
1 + div(c.xp + c.xp_delta, 1000)::int8
