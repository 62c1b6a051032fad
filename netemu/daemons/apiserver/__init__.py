"""The API server: registry (objects and writes), HTTP, watches, identity, streams."""
