-- The sum of a column of a join on each day. $1 and $2 are the midnights of the first and the last day in UTC.
SELECT (p.created_at AT TIME ZONE 'UTC')::date AS metric_date, 'seconds_of_some' AS metric_category,
       coalesce(sum(p.duration_seconds) FILTER (WHERE a.username < 'member 2'), 0)::numeric AS value
FROM posts AS p JOIN profiles AS a ON a.id = p.author_id
WHERE p.created_at >= $1 AND p.created_at < $2 + interval '24 hours'
GROUP BY 1
