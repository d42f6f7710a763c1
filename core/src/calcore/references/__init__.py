"""Where reference files come from."""
