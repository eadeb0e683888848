-- The sum of a column of a join on each day. ?1 and ?2 are the first and the last day.
SELECT substr(p.created_at, 1, 10) AS metric_date, 'seconds_of_some' AS metric_category,
       coalesce(sum(p.duration_seconds) FILTER (WHERE a.username < 'member 2'), 0) AS value
FROM posts AS p JOIN profiles AS a ON a.id = p.author_id
WHERE p.created_at >= ?1 AND p.created_at < date(?2, '1 day')
GROUP BY 1;
