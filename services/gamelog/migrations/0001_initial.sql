-- migrate:up

-- The ids of all events, which must be unique over all days. A partition could only keep them unique for its own day.
-- `fingerprint` (16 bytes of a hash; a uuid takes no more room than that) tells whether an event that comes again is
-- the same.
CREATE TABLE event_ids (
    event_id    uuid CONSTRAINT event_ids_pkey PRIMARY KEY,
    fingerprint uuid NOT NULL,
    time        timestamptz NOT NULL -- the event's: an id goes together with its event
);

-- By it, old ids are found.
CREATE INDEX event_ids_time_idx ON event_ids (time);

-- Text by which lists are ordered is compared by its bytes: the order must not change with the locale or its version.
CREATE TABLE events (
    time      timestamptz NOT NULL,
    event_id  uuid NOT NULL,
    player_id uuid,
    match_id  uuid,
    written   xid8 NOT NULL DEFAULT pg_current_xact_id(), -- the transaction that stored it: see read_log
    place     integer NOT NULL, -- in that transaction
    type      text COLLATE "C" NOT NULL CHECK (length(type) BETWEEN 1 AND 64),
    payload   jsonb NOT NULL,
    PRIMARY KEY (time, event_id)
) PARTITION BY RANGE (time);

CREATE INDEX events_player_idx ON events (player_id, time, event_id) WHERE player_id IS NOT NULL;
CREATE INDEX events_match_idx ON events (match_id, time, event_id) WHERE match_id IS NOT NULL;
CREATE INDEX events_type_idx ON events (type, time, event_id);
CREATE INDEX events_written_idx ON events (written, place);

-- For days whose partition could not be made: an insert never fails for want of one.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Makes the partitions that are missing for some days of UTC. Any number of replicas may call it at once. A day that has
-- rows in the default partition gets no partition: its rows stay there until they are deleted. It runs as the owner of
-- the tables, like the function below, so that the service's user needs no right to make and drop tables.
CREATE FUNCTION make_event_partitions(days date[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '500ms'
AS $$
DECLARE
    day  date;
    name text;
    made integer := 0;
BEGIN
    FOREACH day IN ARRAY days LOOP
        name := 'events_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(hashtextextended('events', 0));
        -- Locked before the checks, so that rows inserted after them go into the new partition. It is the lock of a table,
        -- and not the one above, that lets us see what others have made meanwhile.
        LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE;
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        CONTINUE WHEN EXISTS (SELECT FROM events_default WHERE time >= day AND time < day + 1);
        -- Attached, because CREATE TABLE … PARTITION OF would lock out every insert.
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, day, day + 1);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the oldest partition, if it ends at or before a moment. Returns how many it dropped, 1 or 0. It drops one at a
-- time, because calls wait while it holds its lock, and while it waits for it.
CREATE FUNCTION drop_event_partition(forgotten_before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '200ms'
AS $$
DECLARE
    name    text;
    ends_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('events', 0));
    SELECT relname, to_date(right(relname, 8), 'YYYYMMDD') + 1
    INTO name, ends_at
    FROM pg_inherits
    JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'events'::regclass AND relname ~ '^events_\d{8}$'
    ORDER BY relname
    LIMIT 1;
    IF name IS NULL OR ends_at > forgotten_before THEN
        RETURN 0;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN 1;
END
$$;

-- migrate:down

DROP FUNCTION make_event_partitions, drop_event_partition;
DROP TABLE events, event_ids;
