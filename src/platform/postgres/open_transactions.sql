-- Returns the beginning of the oldest transaction of this database that has written and is still open (seconds since 1970), and which
-- one it is. Its rows cannot be seen yet, whatever time they say. A transaction that has only read has no transaction id. What
-- sessions of other roles do is NULL for a role without pg_read_all_stats; prepared transactions are shown to every role.
SELECT extract(epoch FROM began_at)::text, reason
FROM (
    SELECT xact_start AS began_at,
           format('a transaction of role %s (process %s) has been open since then and has written; commit it or roll it back',
                  usename, pid) AS reason
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND backend_type <> 'autovacuum worker'
    UNION ALL
    SELECT prepared,
           format('the transaction %L of role %s is prepared since then; commit it or roll it back (COMMIT PREPARED, ROLLBACK PREPARED)',
                  gid, owner)
    FROM pg_prepared_xacts
    WHERE database = current_database()
) AS open
ORDER BY began_at
LIMIT 1
