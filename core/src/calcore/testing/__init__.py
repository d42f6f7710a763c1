"""The kit that ships for plugin authors."""

from calcore.testing.contract import Case, StepContract
from calcore.testing.instrument import InstrumentContract

__all__ = ["Case", "InstrumentContract", "StepContract"]
