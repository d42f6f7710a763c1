"""Steps that no runner could call."""

from dataclasses import dataclass

from calcore.model import Ramp
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class Asks(Step):
    """Ask for what nobody has."""

    def apply(self, ramp: Ramp, *, weather: str) -> Ramp:
        """Never called."""
        return ramp


@dataclass(frozen=True, kw_only=True)
class Takes(Step):
    """Take fewer arguments than the runner gives."""

    def rows(self):
        """Never called."""
        return

    def apply(self, ramp: Ramp) -> Ramp:
        """Never called."""
        return ramp


class NoStep:
    """No step at all."""
