"""The virtual machine: its image (built once), its cargo, its boot and what comes out of it."""
