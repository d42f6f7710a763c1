"""The forward model: from a sky with known truth to raw exposures and reference files.

It shares no code with the calibration that it tests.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcore.simulate.instrument_tables import SimulatedInstrument as SimulatedInstrument
    from calcore.simulate.physics import Effects as Effects
    from calcore.simulate.sky_options import SkyOptions as SkyOptions
    from calcore.simulate.sky_options import Target as Target
    from calcore.simulate.visit import simulate as simulate
    from calcore.simulate.visit_options import SimulatedVisit as SimulatedVisit
    from calcore.simulate.visit_options import VisitOptions as VisitOptions

_HOMES = {
    "Effects": "physics",
    "SimulatedInstrument": "instrument_tables",
    "SimulatedVisit": "visit_options",
    "SkyOptions": "sky_options",
    "Target": "sky_options",
    "VisitOptions": "visit_options",
    "simulate": "visit",
}

__all__ = [*_HOMES]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module  # noqa: PLC0415 - only when a name is asked for

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
