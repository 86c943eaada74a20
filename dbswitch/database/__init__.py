"""The database room: connection URLs, failures, readiness, identity and migrations of one Postgres."""
