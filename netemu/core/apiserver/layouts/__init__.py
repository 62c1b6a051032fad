"""The columns of each resource's Table; a file's name is the resource's."""
