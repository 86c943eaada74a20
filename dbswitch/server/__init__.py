"""The dev server: find its processes, prove that they belong to it, stop all of them, start it with a clean environment."""
