"""What was found in an application's folder, as values; reads files, never writes."""
