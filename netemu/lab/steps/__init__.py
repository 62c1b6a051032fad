"""One file a scenario step; its name is the YAML key."""
