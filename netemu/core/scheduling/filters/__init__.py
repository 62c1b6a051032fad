"""What makes a Node impossible for a Pod. One file a filter, with a constant `FILTER`."""
