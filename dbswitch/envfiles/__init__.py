"""Read env files, edit them byte by byte, place variables and replace several files in one transaction."""
