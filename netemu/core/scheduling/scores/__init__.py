"""What makes a Node better for a Pod than another. One file a score, with a constant `SCORE`."""
