"""The fine guidance sensors for calcore: their detectors and exposure types."""

from calcore.instrument import Instrument

INSTRUMENT = Instrument(name="FGS", package=__name__)
GUIDER = INSTRUMENT.file("pipelines", "guider.toml")
