-- Returns the time up to which a standby shows all commits of its primary (seconds since 1970, by the primary's clock), and the
-- reason why that is not the current time. Columns of pg_stat_wal_receiver other than pid are NULL for a role without
-- pg_read_all_stats.
WITH receiver AS (
    -- The time of the last message of the primary. If it is unknown, the oldest time that is possible: the receiver disconnects
    -- when it has heard nothing for wal_receiver_timeout.
    SELECT coalesce(
               last_msg_send_time,
               now() - nullif(current_setting('wal_receiver_timeout')::interval, interval '0')
           ) AS heard_at,
           pg_last_wal_replay_lsn() >= greatest(pg_last_wal_receive_lsn(), latest_end_lsn) AS is_caught_up
    FROM pg_stat_wal_receiver
    WHERE coalesce(status, 'streaming') = 'streaming'
),
replayed AS (
    -- The newest replayed commit or checkpoint. A replayed checkpoint proves that everything before it is replayed, also on a
    -- primary without transactions.
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
           WHEN receiver.is_caught_up IS NULL THEN 'it receives nothing from its primary'
           WHEN NOT receiver.is_caught_up THEN 'it has not yet replayed what it received'
           ELSE 'it has replayed all that it received'
       END AS reason
FROM replayed LEFT JOIN receiver ON TRUE
