-- Returns one row: the last leader, whether a session holds the leader's lock (named $2; lock.rs computes the same key), and the
-- newest pause. If no session holds the lock, the statement holds it in shared mode until its transaction ends.
SELECT leaders.host, leaders.process_id, leaders.since, leaders.seen_at,
    NOT pg_try_advisory_xact_lock_shared(hashtextextended(
        'daymark:' || current_schema() || ':' || $1 || ':' || $2, 0
    )) AS is_led,
    pause.id, pause.paused_at, pause.paused_by, pause.reason, pause.until_at, pause.resumed_at, pause.resumed_by
FROM (VALUES ($1)) AS tenant (id)
LEFT JOIN leaders ON leaders.tenant_id = tenant.id
LEFT JOIN LATERAL (
    SELECT * FROM schedule_pauses WHERE tenant_id = tenant.id ORDER BY paused_at DESC, id LIMIT 1
) AS pause ON TRUE
