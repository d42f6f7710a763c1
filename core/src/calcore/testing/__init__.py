"""The kit that ships for plugin authors.

Names are looked up when they are first used: pytest loads the fixtures of this package in every
environment where calcore is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcore.testing.contract import Case, StepContract
    from calcore.testing.instrument import InstrumentContract
    from calcore.testing.samples import (
        a_case,
        a_group,
        a_mosaic,
        a_ramp,
        a_rate,
        a_reference,
        an_image,
    )

_PLACES = {
    "Case": "contract", "InstrumentContract": "instrument", "StepContract": "contract",
    "a_case": "samples", "a_group": "samples", "a_mosaic": "samples", "a_ramp": "samples",
    "a_rate": "samples", "a_reference": "samples", "an_image": "samples",
}  # fmt: skip

__all__ = [
    "Case", "InstrumentContract", "StepContract", "a_case", "a_group", "a_mosaic",
    "a_ramp", "a_rate", "a_reference", "an_image",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
