-- migrate:up

-- What was answered under a request_id, a partition for each day: docs/adr/0009-request-records.md. Of a new request,
-- `requests` keeps only the id, which must be unique over all days, and its time. Its old columns hold the records of
-- 0.1 until they are forgotten, and those of a 0.1 that still runs beside this version; a later migration drops them.
ALTER TABLE requests
    ALTER COLUMN method DROP NOT NULL,
    ALTER COLUMN fingerprint DROP NOT NULL,
    ALTER COLUMN answer DROP NOT NULL;

CREATE TABLE request_answers (
    request_id  uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(), -- as in requests: the same transaction writes both
    version     smallint NOT NULL, -- of the answer's JSON: shared/stores/requests/kept.py
    method      text NOT NULL,
    fingerprint bytea NOT NULL,
    answer      jsonb NOT NULL,
    PRIMARY KEY (created_at, request_id)
) PARTITION BY RANGE (created_at);

-- For days whose partition nobody made in time: an insert never fails for want of one.
CREATE TABLE request_answers_default PARTITION OF request_answers DEFAULT;

-- Makes the partitions that are missing, of today in UTC and of as many days after it as `days_ahead` says. Any number
-- of replicas may call it at once. A day that has rows in the default partition gets no partition: its rows stay there
-- until they are forgotten. Calls wait for its locks no longer than it waits itself (lock_timeout). It runs as the
-- owner of the tables, like the function below, so that the service's user needs no right to make and drop tables.
CREATE FUNCTION make_request_partitions(days_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '500ms'
AS $$
DECLARE
    day  timestamptz;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('request_answers', 0));
    FOR day IN SELECT generate_series(date_trunc('day', now()), now() + make_interval(days => days_ahead), '1 day') LOOP
        name := 'request_answers_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        -- Locked before the check, so that rows inserted after the check go into the new partition.
        LOCK TABLE request_answers_default IN ACCESS EXCLUSIVE MODE;
        CONTINUE WHEN EXISTS (
            SELECT FROM request_answers_default WHERE created_at >= day AND created_at < day + interval '1 day');
        -- Attached, because CREATE TABLE … PARTITION OF would lock out every insert.
        EXECUTE format('CREATE TABLE %I (LIKE request_answers INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE request_answers ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, day, day + interval '1 day');
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the oldest partition that ends at or before a moment, unless `requests` still has ids of its days: another
-- replica may be deleting them. An id without its answer would be taken for a request that came too late. Returns how
-- many it dropped, 1 or 0. It drops one at a time, because calls wait while it holds its lock, and while it waits for
-- it.
CREATE FUNCTION drop_request_partition(forgotten_before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' SET lock_timeout = '200ms'
AS $$
DECLARE
    name    text;
    ends_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('request_answers', 0));
    SELECT relname, to_date(right(relname, 8), 'YYYYMMDD') + interval '1 day'
    INTO name, ends_at
    FROM pg_inherits
    JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'request_answers'::regclass AND relname ~ '^request_answers_\d{8}$'
    ORDER BY relname
    LIMIT 1;
    IF name IS NULL OR ends_at > forgotten_before OR EXISTS (SELECT FROM requests WHERE created_at < ends_at) THEN
        RETURN 0;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN 1;
END
$$;

-- migrate:down

-- Release 0.1 can read answers of version 1, so they are kept for it. It could not read newer ones: they are forgotten.
UPDATE requests
SET method = kept.method, fingerprint = kept.fingerprint, answer = kept.answer
FROM request_answers AS kept
WHERE kept.created_at = requests.created_at AND kept.request_id = requests.request_id AND kept.version = 1;
DELETE FROM requests WHERE answer IS NULL;
DROP FUNCTION make_request_partitions, drop_request_partition;
DROP TABLE request_answers;
ALTER TABLE requests
    ALTER COLUMN method SET NOT NULL,
    ALTER COLUMN fingerprint SET NOT NULL,
    ALTER COLUMN answer SET NOT NULL;
