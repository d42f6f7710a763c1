"""NIRSpec for calcore: its detectors and exposure types."""

from calcore.instrument import Instrument

INSTRUMENT = Instrument(name="NIRSPEC", package=__name__)
