-- migrate:up

-- A BRIN index finds old rows fast only while the table's rows lie in the order of time. That order is lost when new
-- rows fill the room that forgotten rows left. requests_created_at_idx took its place.
DROP INDEX requests_created_idx;

-- migrate:down

CREATE INDEX requests_created_idx ON requests USING brin (created_at);
