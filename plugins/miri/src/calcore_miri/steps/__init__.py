"""Steps that only MIRI needs."""
