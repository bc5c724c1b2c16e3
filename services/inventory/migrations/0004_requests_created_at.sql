-- migrate:up transaction:false

-- By itself and CONCURRENTLY, since `requests` may hold millions of rows, and 0.1 goes on writing meanwhile. Where it
-- was interrupted, DROP INDEX requests_created_at_idx, then migrate again.
CREATE INDEX CONCURRENTLY requests_created_at_idx ON requests (created_at);

-- migrate:down

DROP INDEX requests_created_at_idx;
