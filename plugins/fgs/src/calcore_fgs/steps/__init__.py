"""Corrections that only FGS needs: those of guide-star exposures."""
