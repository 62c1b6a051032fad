"""What the API server decides: defaults, validation, patches, tables, documents."""
