"""The analogue-digital converter: rounding, its range, and its departure from a straight line."""

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.physics import Effects, Electronics

Numbers = NDArray[np.float64]


def deviation(counts: Numbers, electronics: Electronics) -> Numbers:
    """Return what the converter has added to numbers that it gives [DN].

    It repeats and grows with the number (arXiv 2606.11983).
    """
    phase = 2 * np.pi * counts / electronics.adc_period_dn
    added: Numbers = electronics.adc_wave * counts * np.sin(phase)
    return added


def converted(
    value: NDArray[np.float32], electronics: Electronics, effects: Effects
) -> NDArray[np.uint16]:
    """Return the numbers that a converter gives for voltages [DN]."""
    top = electronics.adc_top_dn
    if effects.adc_nonlinearity and electronics.adc_wave:
        exact = np.clip(value, 0, top).astype(np.float64)
        number = exact
        for _ in range(3):  # the deviation is known by the number, which holds it
            number = exact + deviation(number, electronics)
        value = value + (number - exact).astype(np.float32)
    return np.clip(np.rint(value), 0, top).astype(np.uint16)
