"""PgBouncer: its configuration files, its admin console, and a pause that ends by its deadline."""
