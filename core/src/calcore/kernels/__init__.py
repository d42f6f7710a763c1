"""Arrays in, arrays out: numpy, scipy, numba and field libraries. No model, no log, no file."""
