"""The API client and the informers that every component uses."""
