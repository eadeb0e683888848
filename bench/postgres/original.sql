-- The baseline of the benchmark, a function such as platforms commonly collect metrics with. It counts five times, each time in a
-- statement and a snapshot of its own, and casts the time of every row to a date. Call: SELECT original.collect('2025-12-30').

CREATE SCHEMA original;

CREATE TABLE original.daily_metrics (
    metric_date date NOT NULL, metric_type text NOT NULL, metric_category text NOT NULL, value numeric NOT NULL,
    UNIQUE (metric_date, metric_type, metric_category));

CREATE FUNCTION original.collect(target date) RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN
    INSERT INTO original.daily_metrics
    VALUES (target, 'count', 'users_total', (SELECT count(*) FROM profiles WHERE created_at::date <= target))
    ON CONFLICT (metric_date, metric_type, metric_category) DO UPDATE SET value = excluded.value;

    INSERT INTO original.daily_metrics
    VALUES (target, 'count', 'posts_total', (SELECT count(*) FROM posts WHERE created_at::date <= target))
    ON CONFLICT (metric_date, metric_type, metric_category) DO UPDATE SET value = excluded.value;

    INSERT INTO original.daily_metrics
    VALUES (target, 'count', 'comments_total', (SELECT count(*) FROM comments WHERE created_at::date <= target))
    ON CONFLICT (metric_date, metric_type, metric_category) DO UPDATE SET value = excluded.value;

    INSERT INTO original.daily_metrics
    VALUES (target, 'count', 'posts_created', (SELECT count(*) FROM posts WHERE created_at::date = target))
    ON CONFLICT (metric_date, metric_type, metric_category) DO UPDATE SET value = excluded.value;

    INSERT INTO original.daily_metrics
    VALUES (target, 'count', 'comments_created', (SELECT count(*) FROM comments WHERE created_at::date = target))
    ON CONFLICT (metric_date, metric_type, metric_category) DO UPDATE SET value = excluded.value;
END
$$;
