"""The figures, one file each; its name is the word that users type."""
