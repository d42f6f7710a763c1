"""MIRI for the simulator: its tables say all but the optics of the spectrographs."""

from pathlib import Path

from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.spectrograph import Spectrograph
from calcore_miri.simulate.slicer_references import OF_A_BAND, OF_ALL
from calcore_miri.simulate.slit import SlitSpectrometer
from calcore_miri.simulate.slit_references import MAKERS
from calcore_miri.simulate.spectrometer import Spectrometer


def _spectrometer(band: str, geometry: Path | None) -> Spectrograph:
    return Spectrometer(band, geometry, OF_A_BAND, OF_ALL)


def _slit(_band: str, geometry: Path | None) -> Spectrograph:
    return SlitSpectrometer("slit", geometry, MAKERS)


def _slitless(_band: str, geometry: Path | None) -> Spectrograph:
    return SlitSpectrometer("slitless", geometry, MAKERS)


SIMULATION = SimulatedInstrument(
    "calcore_miri",
    spectrographs={"slicer": _spectrometer, "slit": _slit, "slitless": _slitless},
)
