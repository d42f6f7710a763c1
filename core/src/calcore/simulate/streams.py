"""Random numbers that depend on nothing but the seed and what they are for.

Every effect draws from a stream of its own, named by words such as ``("NRX1", "exposure 2", "read
noise")``. Switching one effect off, or leaving a detector out, therefore changes no other effect.
"""

import hashlib

import numpy as np


def stream(seed: int, *words: str | int) -> np.random.Generator:
    """Return the random stream of a seed and of words that say what it is for.

    Parameters
    ----------
    seed : int
        Not negative.
    words : str or int
        Who draws, and what. Other words give a statistically independent stream.

    Returns
    -------
    numpy.random.Generator
        The same for the same arguments, in any process and on any machine.
    """
    digest = hashlib.sha256("\0".join(str(word) for word in words).encode()).digest()
    keys = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *keys])))
