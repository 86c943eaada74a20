"""The dev-server room: find it, prove it is ours, stop it whole, start it clean."""
