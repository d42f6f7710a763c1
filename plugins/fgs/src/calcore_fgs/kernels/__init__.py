"""FGS's kernels: arrays in, arrays out."""
