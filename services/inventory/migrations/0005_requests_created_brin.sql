-- migrate:up

-- A BRIN index finds old rows only as long as the table is in the order of time, which it is not once room that
-- forgotten rows left has been filled again. requests_created_at_idx took its place.
DROP INDEX requests_created_idx;

-- migrate:down

CREATE INDEX requests_created_idx ON requests USING brin (created_at);
