"""What all controllers share: the shape of one, its commands, and facts about owners and pods."""
