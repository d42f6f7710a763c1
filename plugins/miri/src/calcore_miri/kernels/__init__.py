"""MIRI's kernels: arrays in, arrays out."""
