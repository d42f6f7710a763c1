"""NIRISS for calcore: its detectors and exposure types."""

from calcore.instrument import Instrument

INSTRUMENT = Instrument(name="NIRISS", package=__name__)
