"""The programs that run inside containers when no other is named."""
