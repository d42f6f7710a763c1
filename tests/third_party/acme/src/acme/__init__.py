"""Another way to find cosmic rays."""
