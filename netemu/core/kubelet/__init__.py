"""What should run on a node, and what its state is called."""
