json_object(
    'id', id, 'kind', kind, 'from', collection_date, 'to', collection_end_date, 'started_at', started_at,
    'completed_at', completed_at, 'status', status, 'metrics_collected', metrics_collected,
    'error_message', error_message, 'error_details', json(error_details), 'host', host, 'process_id', process_id
)
