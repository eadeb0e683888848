-- Up to when a standby shows what its origin has committed (seconds since 1970, by the origin's clock), and why not up to now.
-- Columns of pg_stat_wal_receiver other than its pid are NULL for a role without pg_read_all_stats.
WITH receiver AS (
    -- The last message of the origin, or as long ago as the receiver would notice that no more come.
    SELECT coalesce(
               last_msg_send_time,
               now() - nullif(current_setting('wal_receiver_timeout')::interval, interval '0')
           ) AS heard_at,
           pg_last_wal_replay_lsn() >= greatest(pg_last_wal_receive_lsn(), latest_end_lsn) AS is_caught_up
    FROM pg_stat_wal_receiver
    WHERE coalesce(status, 'streaming') = 'streaming'
),
replayed AS (
    -- A replayed checkpoint proves that all before it is replayed, where no transaction says so.
    SELECT greatest(pg_last_xact_replay_timestamp(), (SELECT checkpoint_time FROM pg_control_checkpoint())) AS at
)
SELECT extract(
           epoch FROM CASE WHEN receiver.is_caught_up THEN greatest(receiver.heard_at, replayed.at) ELSE replayed.at END
       )::text AS complete_until,
       coalesce(receiver.is_caught_up, FALSE) AS is_caught_up,
       CASE
           WHEN pg_is_wal_replay_paused() THEN 'its replay is paused'
           WHEN coalesce(current_setting('recovery_min_apply_delay', TRUE)::interval, interval '0') > interval '0'
               THEN format('it applies changes %s late (recovery_min_apply_delay)', current_setting('recovery_min_apply_delay'))
           WHEN receiver.is_caught_up IS NULL THEN 'it receives nothing from its origin'
           WHEN NOT receiver.is_caught_up THEN 'it has not yet replayed what it received'
           ELSE 'it has replayed all that it heard of'
       END AS reason
FROM replayed LEFT JOIN receiver ON TRUE
