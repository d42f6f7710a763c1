"""Polynomials taken from transforms as an ASDF file holds them: mappings of plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

from calcore.wcs.plain_asdf import kind_of

Terms = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A polynomial of two variables, each shifted first.

    Attributes
    ----------
    terms : float64 (n_first, n_second)
        Factors of the first variable to the first index times the second to the second.
    shift : tuple of float
        What is added to the two variables.
    """

    terms: Terms
    shift: tuple[float, float] = (0.0, 0.0)

    def at(self, first: Terms, second: Terms) -> Terms:
        """Return the polynomial's values at some places; kernels do whole frames."""
        shifted = first + self.shift[0], second + self.shift[1]
        return np.asarray(polyval2d(*shifted, self.terms), np.float64)

    def shifted(self, first: float, second: float) -> "Polynomial":
        """Return the polynomial of variables that are less by so much."""
        return replace(self, shift=(self.shift[0] + first, self.shift[1] + second))

    def divided(self, fineness: float, axis: int) -> "Polynomial":
        """Return the polynomial of pixels of which so many make one, along the axis of a variable."""
        powers = np.arange(self.terms.shape[axis])
        factors = fineness ** -powers.astype(np.float64)
        shift = list(self.shift)
        shift[axis] = fineness * shift[axis] + (1 - fineness) / 2
        terms = self.terms * (factors[:, None] if axis == 0 else factors)
        return Polynomial(terms, (shift[0], shift[1]))

    def times(self, factor: float) -> "Polynomial":
        """Return a multiple of the polynomial."""
        return replace(self, terms=self.terms * factor)

    def plus(self, constant: float) -> "Polynomial":
        """Return the polynomial with something added."""
        terms = self.terms.copy()
        terms[0, 0] += constant
        return replace(self, terms=terms)


def polynomial_of(node: Mapping[str, Any]) -> Polynomial:
    """Return a transform of two variables, or one that depends on none, as a polynomial.

    Raises
    ------
    ValueError
        It is something else.
    """
    *before, last = _steps(node)
    shifts = _shifts(before)
    if kind_of(last) == "constant":
        return Polynomial(np.array([[float(last["value"])]]))
    if kind_of(last) != "polynomial":
        raise ValueError(f"{kind_of(last)} is not a polynomial")
    for name in ("domain", "window"):
        if any(list(limits) != [-1, 1] for limits in last.get(name, ())):
            raise ValueError(f"a polynomial with a {name} of its own is not known here")
    terms = np.array(last["coefficients"], np.float64)
    if terms.ndim != 2:
        raise ValueError(f"a polynomial of {terms.ndim} variables instead of two")
    return Polynomial(terms, shifts)


def pair_of(node: Mapping[str, Any]) -> tuple[Polynomial, Polynomial]:
    """Return a transform from two variables to two as two polynomials.

    Raises
    ------
    ValueError
        It is something else.
    """
    copied, *between, last = _steps(node)
    named = kind_of(copied), kind_of(last)
    if between or named != ("remap_axes", "concatenate") or copied["mapping"] != [0, 1, 0, 1]:
        raise ValueError("it is not a pair of polynomials of the same two variables")
    first, second = last["forward"]
    return polynomial_of(first), polynomial_of(second)


def stacked(polynomials: list[Polynomial]) -> Terms:
    """Return the terms of several polynomials as one array, short ones filled with zeros."""
    shape = tuple(np.max([one.terms.shape for one in polynomials], axis=0))
    whole = np.zeros((len(polynomials), *shape))
    for filled, one in zip(whole, polynomials, strict=True):
        filled[: one.terms.shape[0], : one.terms.shape[1]] = one.terms
    return whole


def _steps(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a transform does, one thing after another."""
    if kind_of(node) != "compose":
        return [node]
    return [step for part in node["forward"] for step in _steps(part)]


def _shifts(before: list[Mapping[str, Any]]) -> tuple[float, float]:
    if not before:
        return 0.0, 0.0
    parts = before[0].get("forward", ()) if len(before) == 1 else ()
    if len(parts) != 2 or any(kind_of(part) not in {"shift", "identity"} for part in parts):
        raise ValueError("its variables are not just shifted")
    first, second = (float(part.get("offset", 0.0)) for part in parts)
    return first, second
