-- One row: the last leader, whether a session holds the leader's lock ($2, with the key that lock.rs makes), and the newest
-- pause. The lock of a schedule without a leader is held, shared, until the statement ends.
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
