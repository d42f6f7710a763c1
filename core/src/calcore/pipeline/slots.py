"""What a pipeline is: slots in order, with settings that remember who gave them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from calcore.errors import UnknownName


@dataclass(frozen=True)
class Setting:
    """A value and who gave it; `given` tells that it was the user.

    `elsewhere` tells that it was said of another implementation of the slot, and means nothing to one
    that does not know it: an instrument's, of which core says nothing.
    """

    value: Any
    origin: str
    given: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class Slot:
    """A place in a pipeline.

    Attributes
    ----------
    name, use : str
        The word users know, and the implementation's entry point.
    status : str
        Name under ``cal_step`` of the keyword that says how the step ended.
    branch : bool
        The slot's result is a product of its own, on which a slot of a branch that follows at once
        goes on; what flows on past them is what came in.
    optional : bool
        A failure is recorded, and the pipeline goes on without the slot.
    settings : mapping
        Parameters, with who gave them.
    runner : mapping
        ``skip``, ``save``, ``suffix`` and ``override.<type>``; ``members.<role>``, files that are taken
        in place of an association's members of this role; of a step with state also ``state``,
        the file that the first exposures of detectors begin with, and ``save_state``, the one that
        the last ones are added to.
    """

    name: str
    use: str
    status: str
    branch: bool = False
    optional: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict)
    runner: Mapping[str, Setting] = field(default_factory=dict)

    def runs(self, key: str, default: Any = None) -> Any:
        """Return a value of the runner's keys."""
        return self.runner[key].value if key in self.runner else default


@dataclass(frozen=True)
class Pipeline:
    """Slots in order.

    Attributes
    ----------
    suffix : str
        Names the product that the last slot leaves, if it is one record.
    header : mapping
        Values of keywords (by dotted names) that no slot writes; what a product has already stays.
    notes : tuple of str
        What to tell the user of how it came about.
    saves_ramp : str
        Who asked for the ramps that rates are fitted to, as a product; empty if nobody did.
    """

    name: str
    stage: str
    slots: tuple[Slot, ...]
    suffix: str | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    saves_ramp: str = ""

    def slot(self, name: str) -> Slot:
        """Return the slot of a name."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise UnknownName(f"slot of pipeline {self.name},", name, [s.name for s in self.slots])

    def with_slot(self, slot: Slot) -> "Pipeline":
        """Return the pipeline with another slot in the place of the one of its name."""
        slots = (slot if other.name == slot.name else other for other in self.slots)
        return replace(self, slots=tuple(slots))
