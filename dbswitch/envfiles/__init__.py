"""Env files: read, edit to the byte, place variables and replace several files as one transaction."""
