-- Run once, when a database's volume is first made: what the doctor reads the statistics of statements by.
CREATE EXTENSION pg_stat_statements;
