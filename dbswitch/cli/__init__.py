"""The command line: thin typer commands, one renderer for people, one for JSON, one error boundary."""
