"""`dbswitch demo`: the main job on two embedded Postgres servers and a small real app."""
