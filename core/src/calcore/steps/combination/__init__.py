"""Stage 3: exposures combined."""
