"""NIRSpec's kernels: arrays in, arrays out."""
