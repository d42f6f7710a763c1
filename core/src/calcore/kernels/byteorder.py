"""Raw counts as files hold them: big-endian, unsigned numbers stored as signed ones."""

from calcore.kernels._jit import F4x3, U2x3, kernel


@kernel
def raw_counts(stored: U2x3, out: F4x3) -> None:
    """Turn raw counts as a FITS file stores them into floating-point numbers.

    Files keep unsigned 16-bit integers as signed ones, 32768 less, with the high byte first
    (FITS standard 4.0, section 4.4.2.5; Pence et al. 2010, A&A 524, A42).

    Parameters
    ----------
    stored : uint16 (n, ny, nx)
        The file's bytes, taken as integers of a little-endian machine.
    out : float32 (n, ny, nx)
        Counts [DN], 0 to 65535.
    """
    for n in range(stored.shape[0]):
        for y in range(stored.shape[1]):
            for x in range(stored.shape[2]):
                bits = int(stored[n, y, x])
                out[n, y, x] = ((bits >> 8) | ((bits & 0xFF) << 8)) ^ 0x8000
