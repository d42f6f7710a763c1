"""World coordinates of MIRI's spectra."""
