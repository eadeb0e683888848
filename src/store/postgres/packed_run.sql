-- A run is alive while somebody holds the lock whose key lock.rs makes. The lock of a dead one is shared with others that
-- look until the statement ends. (To look into pg_locks takes nothing, but makes the plan of every statement 50 µs slower to
-- start.)
json_build_object(
    'id', id, 'kind', kind, 'from', collection_date, 'to', collection_end_date, 'started_at', started_at,
    'completed_at', completed_at, 'status', status, 'metrics_collected', metrics_collected,
    'error_message', error_message, 'error_details', error_details, 'host', host, 'process_id', process_id,
    'is_alive', CASE WHEN status = 'running' THEN NOT pg_try_advisory_xact_lock_shared(hashtextextended(
        'daymark:' || current_schema() || ':' || $1 || ':' || CASE kind
            WHEN 'collect' THEN 'day-' || to_char(collection_date, 'YYYY-MM-DD') ELSE kind END, 0
    )) ELSE FALSE END
)::TEXT
