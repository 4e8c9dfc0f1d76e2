"""One folder, one service."""
