"""The versioned key-value store behind the API server."""
