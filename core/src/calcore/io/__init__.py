"""The files users have: FITS with the standard extensions, and ASDF."""
