"""Corrections that only MIRI needs."""
