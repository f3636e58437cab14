-- Questions over the output of fleet.sh: duckdb < questions.sql, in the folder OUT.
CREATE VIEW items AS SELECT * FROM read_json_auto('items/*.jsonl.gz', filename = true, union_by_name = true, ignore_errors = false);
-- How many items of each state
SELECT state, origin, count(*) AS items FROM items GROUP BY ALL ORDER BY items DESC;
-- The same message in several files
SELECT content_sha256, count(DISTINCT filename) AS files, any_value(subject) AS subject
FROM items GROUP BY content_sha256 HAVING files > 1 ORDER BY files DESC LIMIT 20;
-- Who writes most
SELECT "from".email AS sender, count(*) AS items FROM items GROUP BY ALL ORDER BY items DESC LIMIT 20;
-- Mail by month
SELECT date_trunc('month', try_cast(coalesce(received, sent) AS TIMESTAMP)) AS month, count(*) AS items FROM items GROUP BY ALL ORDER BY month;
