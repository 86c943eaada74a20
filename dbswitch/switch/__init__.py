"""The use case: point the project at another database, or leave it exactly as it was."""
