"""The kit that ships for plugin authors."""

from calcore.testing.contract import Case, StepContract

__all__ = ["Case", "StepContract"]
