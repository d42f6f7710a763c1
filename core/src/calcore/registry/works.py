"""What to cite: papers that steps follow, and software that did the work."""

from collections.abc import Mapping
from typing import Any

from calcore.errors import CalcoreError
from calcore.parameters import parameters_of
from calcore.registry import discovery

SOFTWARE = {
    "asdf": "Greenfield, Droettboom & Bray 2015, Astronomy and Computing 12, 240",
    "astropy": "Astropy Collaboration 2022, ApJ 935, 167",
    "crds": "Greenfield & Miller 2016, Astronomy and Computing 16, 41",
    "numba": "Lam, Pitrou & Seibert 2015, Proc. LLVM-HPC 7",
    "numpy": "Harris et al. 2020, Nature 585, 357",
    "scipy": "Virtanen et al. 2020, Nature Methods 17, 261",
}
"""Papers of libraries, by distribution."""


def step_class(use: str) -> Any:
    """Return the class of a step by its implementation's name; None if it cannot be had here."""
    try:
        return discovery.load("calcore.steps", use)
    except CalcoreError:
        return None


def works_of_step(use: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what to cite for a step with these settings; nothing if its package is not here."""
    kind = step_class(use)
    if kind is None:
        return ()
    known = parameters_of(kind)
    try:
        step = kind(**{name: value for name, value in settings.items() if name in known})
    except CalcoreError:
        return ()
    return tuple(step.cited)


def defaults_of_step(use: str) -> Mapping[str, Any]:
    """Return the defaults of a step's parameters as JSON has them; empty if it cannot be had here."""
    kind = step_class(use)
    if kind is None:
        return {}
    return {name: plain(item.default) for name, item in parameters_of(kind).items()}


def plain(value: Any) -> Any:
    """Return a value as it is after it was written as JSON."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, str | float | bool):
        return value
    return str(value)
