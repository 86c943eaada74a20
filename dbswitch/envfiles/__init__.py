"""The env-file room: read, edit to the byte, place and replace as one transaction."""
