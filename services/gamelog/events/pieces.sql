-- What several queries about events say alike. A query takes a piece in by a line of its own: `-- include: event`.

-- piece: event
event_id::text, events.type, player_id::text, match_id::text, time, payload::text

-- piece: of_types
AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))

-- piece: of_match_and_types
AND (%(match_id)s::uuid IS NULL OR match_id = %(match_id)s::uuid)
AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))

-- piece: aggregated
-- `found` has the events. Sums are those of numeric, which rounds nothing; as text, because they may lie beyond the
-- largest double.
SELECT bucket, type, count(*) AS count, count(value) AS values,
       sum(value)::text AS sum, min(value)::text AS min, max(value)::text AS max
FROM (
    SELECT COALESCE(date_bin(make_interval(secs => %(bucket_s)s::float8), time, timestamptz 'epoch'), %(start)s)
               AS bucket,
           type,
           CASE WHEN jsonb_typeof(payload #> %(value_path)s::text[]) = 'number'
                THEN (payload #> %(value_path)s::text[])::numeric END AS value
    FROM found
) AS counted
WHERE (bucket, type) > (%(after)s::timestamptz, %(after_type)s::text)
GROUP BY bucket, type
ORDER BY bucket, type
LIMIT %(limit)s;
