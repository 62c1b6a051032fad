"""Tables, chains and rules as data."""
