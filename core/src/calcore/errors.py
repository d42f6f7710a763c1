"""What can go wrong, one type per cause.

Every message says what was wrong, what was found, and what to do. `CalcoreError` is what a user
may meet; anything else is a defect of ours. `StepSkipped` is not an error: it is how a step's
`check` says that there is nothing to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, or lists what is known."""
    names = sorted(set(known))
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."


def with_article(name: str) -> str:
    """Return a name with its article: an apcorr, a userdq."""
    return f"{'an' if name[:1].lower() in {'a', 'e', 'i', 'o'} else 'a'} {name}"


def explained(error: BaseException) -> str:
    """Return an error in a sentence; what is not ours gets its type and a remedy."""
    if isinstance(error, CalcoreError):
        return str(error)
    said = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        what = f" ({said})" if said else ""
        return f"there is not enough memory{what}; free some, or ask for fewer --jobs"
    return (
        f"unexpected {type(error).__name__}: {said}; -v shows where; if the input is in order, "
        "please report it"
    )


class CalcoreError(Exception):
    """Base of all errors that a user may meet."""

    exit_status = 1

    def __str__(self) -> str:
        """Return the message on one line, whatever a library below put into it."""
        return " ".join(line.strip() for line in super().__str__().splitlines())


class StepSkipped(Exception):
    """A step has nothing to do here; the reason is recorded and the run goes on.

    Parameters
    ----------
    reason : str
        Why.
    **left
        Tables that tell more of it, by the names they are written under.
    """

    def __init__(self, reason: str, **left: Any) -> None:
        super().__init__(reason)
        self.left = left


class Doubtful(UserWarning):
    """What was made may not be what is wanted; says what was found, and what to do."""


class UsageError(CalcoreError):
    """The command line or the call cannot be carried out as it stands."""

    exit_status = 2


class UnknownFlag(UsageError):
    """A data-quality flag has no such name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"{name!r} is not a data-quality flag. {suggestion(name, known)}")


class UnknownName(UsageError):
    """A step, slot, pipeline, parameter, instrument or executor has no such name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r}. {suggestion(name, known)}")


class BadParameter(UsageError):
    """A parameter's value has the wrong type or lies outside its range."""


class BadPipeline(UsageError):
    """A pipeline or configuration file contradicts itself."""


class PluginMissing(UsageError):
    """The exposure's instrument is not installed."""

    def __init__(self, instrument: str, what: str = "", installed: Iterable[str] = ()) -> None:
        there = sorted(installed)
        taken = (
            f"{what} was taken with {instrument}, whose package is not installed"
            if what
            else f"the package of instrument {instrument} is not installed"
        )
        others = f" (installed: {', '.join(there)})" if there else ""
        super().__init__(f"{taken}: {self._remedy(instrument.lower(), there)}{others}")

    @staticmethod
    def _remedy(name: str, installed: list[str]) -> str:
        """Return what to install; nothing for a word that is a slip or no name."""
        near = get_close_matches(name, installed, n=1, cutoff=0.75)
        if near:
            return f"did you mean {near[0]}?"
        return f"pip install calcore-{name}" if name.isalpha() else "correct INSTRUME in the header"


class PluginBroken(CalcoreError):
    """An installed plugin cannot be used; it is named with its distribution and version."""


class ModeNotSupported(CalcoreError):
    """The instrument's plugin has no pipeline for this exposure type."""


class FileProblem(CalcoreError):
    """A file cannot be read or written; carries the path."""

    def __init__(self, path: Path | str, message: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: {message}")


class FileTruncated(FileProblem):
    """A file is shorter than its headers promise."""


class FileInvalid(FileProblem):
    """A file is not what its name or place says it is."""


class ManifestInvalid(FileInvalid):
    """A file is the manifest of a run, but a damaged one, or of another calcore."""


class KeywordMissing(CalcoreError):
    """A keyword that is needed stands in no header."""

    def __init__(
        self, name: str, keyword: str | None = None, path: Path | str | None = None
    ) -> None:
        self.name = name
        shown = f"{keyword} ({name})" if keyword else name
        place = f"{path}: " if path else ""
        super().__init__(f"{place}the keyword {shown} is missing; add it to the header")


class KeywordInvalid(CalcoreError):
    """A keyword has a value that cannot be true."""

    def __init__(
        self, keyword: str, value: object, wanted: str, path: Path | str | None = None
    ) -> None:
        self.keyword = keyword
        place = f"{path}: " if path else ""
        super().__init__(f"{place}{keyword} is {value!r}, but must be {wanted}; correct the header")


class OutputProblem(FileProblem):
    """A product cannot be written."""


class StateInvalid(FileProblem):
    """A file of what a step kept of an earlier exposure does not fit the exposure or the step."""


class ReferenceMissing(CalcoreError):
    """A reference file that a step needs cannot be found."""


class CatalogueMissing(CalcoreError):
    """A catalogue of the sky cannot be had from the network, nor was it kept."""


class ReferenceInvalid(CalcoreError):
    """A reference file does not fit the exposure."""


class AssociationInvalid(CalcoreError):
    """An association contradicts itself or names what is not there."""


class DataUnusable(CalcoreError):
    """The exposure holds nothing that this step could work with."""


class ShapesDisagree(DataUnusable):
    """Arrays that belong together have different shapes."""


class NoScienceData(CalcoreError):
    """Nothing in the exposure falls on the detector or can be calibrated."""

    exit_status = 64


class StepFailed(CalcoreError):
    """A step raised an error; names step and file, and is chained to the cause."""

    def __init__(self, slot: str, what: str, cause: BaseException) -> None:
        self.slot = slot
        super().__init__(f"{what}: step {slot} failed: {explained(cause)}")


class WorkerDied(CalcoreError):
    """The process or machine that worked on a product died, every time it was tried."""

    def __init__(self, what: str, tries: int) -> None:
        super().__init__(
            f"the process that made {what} died {tries} times, perhaps for want of memory; run "
            "again with fewer --jobs"
        )
