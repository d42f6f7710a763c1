"""Stage 2: where the light came from, and how much of it."""
