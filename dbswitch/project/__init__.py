"""The contents of an application's folder as values; reads files, never writes."""
