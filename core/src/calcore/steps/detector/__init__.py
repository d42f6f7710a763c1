"""Stage 1: what the detector did to the signal."""
