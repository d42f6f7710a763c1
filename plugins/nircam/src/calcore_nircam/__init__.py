"""NIRCam for calcore: its detectors, exposure types, pipelines and the steps only it needs."""

from calcore.instrument import Instrument

INSTRUMENT = Instrument(name="NIRCAM", package=__name__)
