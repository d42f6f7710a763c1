"""What is there to work on: exposures at any stage, and associations."""

import itertools
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from calcore import io
from calcore.associations.association import Association
from calcore.associations.association import load as load_association
from calcore.errors import (
    AssociationInvalid,
    CalcoreError,
    FileInvalid,
    FileProblem,
    NoScienceData,
)
from calcore.io import files
from calcore.model import Meta, Ramp
from calcore.run.assigned import Assigned, assign

# Suffixes of files that a pipeline takes, most raw first, and the stage that takes them.
TAKEN = {"uncal": "1", "rate": "2", "rateints": "2", "cal": "3", "calints": "3"}
INTERMEDIATE = ("ramp",)
# What else may be a member under its own name, and is taken for the stage of its association.
_AS_IT_IS = ("", "crf", "crfints")
# What stage 2 makes beside its product, and stage 3 takes of members in a role of their own.
BESIDE = ("x1d", "x1dints")
# What else a single step goes on from, if it is named.
PRODUCTS = frozenset({"s2d", "s3d", "x1d", "x1dints", "crf", "crfints"})
# What must be known of an exposure before anything can be decided about it.
NEEDED = ("instrument.name", "instrument.detector", "exposure.type")


@dataclass
class Exposure:
    """One exposure: its root name, and the files there are of it by suffix.

    `between` is the stage within which a step has left the only file there is.
    """

    root: str
    files: dict[str, Path] = field(default_factory=dict)
    meta: Meta | None = None
    between: str = ""

    @property
    def rawest(self) -> Path:
        """The rawest file that a pipeline takes; any if it takes none."""
        taken = (self.files[suffix] for suffix in TAKEN if suffix in self.files)
        return next(taken, next(iter(self.files.values())))


@dataclass
class Inventory:
    """Exposures by root name, associations, and what could not be read.

    `named` are the files that were named, and the exposures in folders that were; members of
    associations that were only looked up are not among them. `instrument` is the one that was asked for; only
    its exposures are kept. `left` are the names of steps, by which what single ones have left is called.
    `assigned` is what associations of level 2 say of exposures, and `called` tells the exposures whose
    products they call otherwise, by the products' names.
    """

    exposures: dict[str, Exposure] = field(default_factory=dict)
    associations: list[Association] = field(default_factory=list)
    problems: list[tuple[Path, CalcoreError]] = field(default_factory=list)
    named: set[Path] = field(default_factory=set)
    instrument: str | None = None
    left: Collection[str] = ()
    assigned: dict[str, Assigned] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)

    def root_of(self, file: str) -> str:
        """Return the root name of the exposure that a member's file is of."""
        root = files.exposure_root(file)
        return self.called.get(root, root)

    @property
    def unreadable(self) -> set[str]:
        """Root names of exposures that cannot be used."""
        return {files.exposure_root(path) for path, _ in self.problems} - set(self.exposures)


def gather(
    inputs: Iterable[Path],
    instrument: str | None,
    folders: Iterable[Path] = (),
    left: Collection[str] = (),
) -> Inventory:
    """Find exposures and associations among files and folders.

    Of a folder only what looks like a JWST exposure or an association is taken. What was named or
    taken and cannot be used is among the problems; the rest is done all the same. Members of
    associations are looked for beside the association and in `folders`. What steps have `left` is
    taken if it was named.

    Raises
    ------
    FileInvalid
        A file that was named does not exist.
    AssociationInvalid
        No member of an association was found.
    NoScienceData
        Nothing was found.
    """
    found = Inventory(instrument=instrument, left=left)
    for path in inputs:
        if path.is_dir():
            _scan(path, found)
        elif os.path.exists(path):  # noqa: PTH110 - False in a folder that is closed
            _add(path, found, named=True)
        else:
            raise FileInvalid(path, "is not there; name exposures, associations or folders")
    _add_members(found, list(folders))
    _assign(found)
    _read_headers(found)
    if not found.exposures and not found.problems:
        if instrument is None and found.associations:
            association = found.associations[0]
            raise AssociationInvalid(
                f"{association.path}: none of its members is there, such as "
                f"{association.products[0].members[0].file}; put them beside the association"
            )
        wanted = f" of {instrument}" if instrument else ""
        places = ", ".join(str(path) for path in inputs)
        raise NoScienceData(
            f"no exposures{wanted} in {places}; {_WANTED}, associations (_asn.json), or folders "
            "that hold them"
        )
    return found


_WANTED = f"name FITS files that end in {', '.join('_' + name for name in TAKEN)}"
_FITS = (".fits", ".fits.gz")


def _scan(folder: Path, found: Inventory) -> None:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        found.problems.append(
            (folder, FileProblem(folder, f"cannot be read: {error.strerror}; change its rights"))
        )
        return
    for path in paths:
        if path.name.endswith(("_asn.json", *_FITS)):
            _add(path, found, named=False)


def _add(path: Path, found: Inventory, *, named: bool) -> None:
    """Add a file to what was found; to the problems if it cannot be used."""
    if named or path.suffix != ".json":
        found.named.add(path)
    if not os.path.isfile(path) and os.path.exists(path):  # noqa: PTH110, PTH113 - False if closed
        found.problems.append((path, FileInvalid(path, f"is no file with content; {_WANTED}")))
        return
    if path.suffix == ".json":
        try:
            found.associations.append(load_association(path))
        except AssociationInvalid as error:
            found.problems.append((path, error))
        return
    root, suffix = _named_after(path, found.left if named else ())
    if suffix not in (*TAKEN, *INTERMEDIATE, *found.left) or not path.name.endswith(_FITS):
        if named:
            problem = FileInvalid(
                path, f"is no exposure that a pipeline takes, by its name; {_WANTED}"
            )
            found.problems.append((path, problem))
        return
    exposure = found.exposures.setdefault(root, Exposure(root))
    other = exposure.files.setdefault(suffix, path)
    if other != path and not (other.exists() and path.exists() and path.samefile(other)):
        problem = FileInvalid(
            path, f"has the same name as {other}, and so would its products; take them in turn"
        )
        found.problems.append((path, problem))


def _named_after(path: Path, steps: Collection[str]) -> tuple[str, str]:
    """Return the root of a file's name, and its suffix or the step that has left it."""
    name = files.stem(path).removesuffix("ints")
    step = max((step for step in steps if name.endswith(f"_{step}")), key=len, default="")
    if step:
        return name.removesuffix(f"_{step}"), step
    return files.exposure_root(path), files.suffix_of(path)


def _add_members(found: Inventory, folders: list[Path]) -> None:
    """Add the files of members that no input named, at whatever stage they are there."""
    for association in found.associations:
        for product in association.products:
            for member in product.used:
                name = Path(member.file)
                root = files.exposure_root(name)
                places = (association.path.parent / name.parent, *folders)
                for folder, suffix, ending in itertools.product(places, TAKEN, _FITS):
                    path = folder / f"{root}_{suffix}{ending}"
                    if path.is_file():
                        exposure = found.exposures.setdefault(root, Exposure(root))
                        exposure.files.setdefault(suffix, path)
                own = association.path.parent / name
                suffix = files.suffix_of(name)
                if suffix in _AS_IT_IS:
                    suffix = "rate" if association.stage == "2" else "cal"
                elif suffix not in BESIDE:
                    continue
                if own.is_file():
                    exposure = found.exposures.setdefault(root, Exposure(root))
                    exposure.files.setdefault(suffix, own)


def _assign(found: Inventory) -> None:
    """Find out what associations of level 2 say of exposures, and gather products they have named."""
    found.assigned = assign(found.associations)
    for root, own in found.assigned.items():
        if own.name == root or root not in found.exposures:
            continue
        there = found.exposures.get(own.name)
        if there is not None and any(TAKEN.get(suffix, "1") < "3" for suffix in there.files):
            found.assigned[root] = own.refused(
                f"a product is called {own.name}, as one of the exposures is"
            )
            continue
        found.called[own.name] = root
        if there is not None:
            del found.exposures[own.name]
            for suffix, path in there.files.items():
                found.exposures[root].files.setdefault(suffix, path)


def _read_headers(found: Inventory) -> None:
    """Read each exposure's header, and drop those of other instruments."""
    for root, exposure in list(found.exposures.items()):
        path = exposure.rawest
        try:
            exposure.meta = io.read_meta(path, required=NEEDED)
            name = exposure.meta.instrument
            if found.left and not exposure.files.keys() & TAKEN.keys():
                ramp = issubclass(io.kind_of(io.contents(path)), Ramp)
                exposure.between = "1" if ramp else "2"
        except Exception as error:  # noqa: BLE001 - the other exposures are done all the same
            found.problems.append((path, _problem(path, error)))
            del found.exposures[root]
            continue
        if found.instrument is not None and name.lower() != found.instrument.lower():
            del found.exposures[root]


def _problem(path: Path, error: Exception) -> CalcoreError:
    """Return an error as one that a user may meet."""
    if isinstance(error, CalcoreError):
        return error
    problem = FileInvalid(path, f"cannot be read: {type(error).__name__}: {error}; make it again")
    problem.__cause__ = error
    return problem
