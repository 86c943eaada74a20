"""Connection URLs, failures, readiness, identity and migrations of one Postgres."""
