"""A module that cannot be imported."""

raise RuntimeError("the author has never tried this")
