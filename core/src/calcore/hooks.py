"""The questions core asks: one page.

A plugin answers with functions of these names, marked by `hookimpl`, in a module or object that it
registers under the entry point ``calcore.hooks``. An implementation may take fewer arguments. No
hook changes pixels: that is a step's job.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pluggy

from calcore.model.meta import Meta
from calcore.model.reference import Reference

PROJECT = "calcore"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
R = TypeVar("R", bound=Reference)


class AskedReferences(Protocol):
    """How those who answer `calcore_mask` get an exposure's references."""

    def __call__(self, kind: type[R], named: str | None = None) -> R:
        """Return the reference of a class, as steps get theirs; the product says which it was.

        If `named` is given, the exposure's header names the file by this name of the metadata, and
        it lies beside the exposure.

        Raises
        ------
        ReferenceMissing
            There is none.
        """

    def if_any(self, kind: type[R]) -> R | None:
        """Return the reference of a class, or None where it is N/A."""


@hookspec(firstresult=True)
def calcore_fetch(address: str, folder: Path) -> Path | None:
    """Bring an input that the user names by an address (``s3://…``) here; None leaves it to the next.

    `folder` is that of the run's products. Only packages that the user names are asked. To put
    products elsewhere, see `calcore_run_finished`.
    """


@hookspec(firstresult=True)
def calcore_find_reference(type: str, meta: Meta) -> Any:  # noqa: A002 - the name is published
    """Return a path, a Reference, or ``"N/A"``; None leaves the question to the next."""


@hookspec
def calcore_alter_reference(type: str, meta: Meta, reference: Any) -> Any:  # noqa: A002
    """Return another `Reference` of the same class in place of one that was found; None keeps it.

    Packages are asked one after the other, each with what the one before has left. Who has altered
    a reference stands in the product beside the reference's name.
    """


@hookspec
def calcore_mask(meta: Meta, references: AskedReferences) -> Any:
    """Return where light of sources is expected, bool (ny, nx) with True for light; None if unknown.

    Several answers add up. Steps that measure noise or background leave these pixels out. What is
    taken of `references` is asked for only where such a step has something to do.
    """


@hookspec
def calcore_edit_pipeline(pipeline: str, meta: Meta) -> Mapping[str, Any] | None:
    """Return edits and settings for a pipeline, as its TOML would hold them.

    Only packages that the user names (``--with``) and the exposure's own instrument are asked.
    """


@hookspec
def calcore_diagnose(product: str, suffix: str, record: Any, path: Path) -> Sequence[Any] | None:
    """Judge a product that was written to `path`: figures, as `calcore.run.outcome.Figure` has them.

    Each is a tuple of name, value, lowest and highest value that is still good (None is no limit).
    Plots and tables may be written beside the product.
    """


@hookspec
def calcore_watch(pipeline: str, meta: Meta) -> Sequence[str] | None:
    """Return slots whose whole frame should be handed to `calcore_after_step`."""


@hookspec
def calcore_before_step(slot: str, product: str, meta: Meta) -> None:
    """A step is about to begin; called once for each product, on the main thread."""


@hookspec
def calcore_after_step(
    slot: str, product: str, meta: Meta, tally: Mapping[str, int], record: Any, seconds: float
) -> None:
    """A step has ended; `record` is what it returned if somebody watches the slot, else None.

    `seconds` are those of all threads together where the step works on bands of rows.
    """


@hookspec
def calcore_step_failed(slot: str, product: str, meta: Meta, error: BaseException) -> None:
    """A step has failed."""


@hookspec
def calcore_run_finished(result: Any) -> None:
    """The run is over; `result` is a `calcore.run.RunResult`, with the files of each product."""
