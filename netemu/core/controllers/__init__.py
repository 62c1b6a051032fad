"""One file a controller: what is missing between what is asked for and what is."""
