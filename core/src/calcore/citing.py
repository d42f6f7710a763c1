"""What to cite for a step."""

from typing import ClassVar


class Work:
    """A paper or document that a step follows where it has these settings, or whatever it has.

    ``Work("Brandt 2024, PASP 136, 045004", algorithm="LIKELY")``
    """

    def __init__(self, text: str, **settings: object) -> None:
        self.text, self.settings = text, settings

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.text} ({given})" if given else self.text

    def applies(self, step: object) -> bool:
        """Tell whether a step has the settings."""
        return all(getattr(step, name) == value for name, value in self.settings.items())


class Citing:
    """Base of what follows the works of others."""

    cites: ClassVar[tuple[Work | str, ...]] = ()
    """Author, year and place of each: ``"Stetson 1987, PASP 99, 191"``."""

    @property
    def cited(self) -> tuple[str, ...]:
        """What to cite for what these settings do."""
        works = (work if isinstance(work, Work) else Work(work) for work in self.cites)
        return tuple(dict.fromkeys(work.text for work in works if work.applies(self)))
