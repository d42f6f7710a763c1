"""References of NIRSpec's optics, as CRDS serves them.

Forms: JWST documentation, pages of the reference types CAMERA, COLLIMATOR, DISPERSER, FORE, FPA,
IFUPOST, IFUSLICER, MSA, OTE and WAVELENGTHRANGE. Models lead from the detector towards
the sky; their inverses lead back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from calcore.errors import ReferenceInvalid
from calcore.model import Meta
from calcore.model.exposure import Table
from calcore.model.layout import Node, TableExtension
from calcore.model.reference import Reference

_STATES = "state", "TA state", "Internal state"
CLOSED = "OPAQUE"
"""The filter that keeps the sky out while a lamp shines on the slits."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fpa(Reference):
    """From pixels of each detector, in the order it is read out in, to the plane of both [m]."""

    type: ClassVar[str] = "fpa"
    first: Annotated[Any, Node("nrs1_model", required=True)]
    second: Annotated[Any, Node("nrs2_model", required=True)]

    def model(self, detector: str) -> Any:
        """Return the model of a detector."""
        return {"NRS1": self.first, "NRS2": self.second}[detector]


@dataclass(frozen=True, eq=False, kw_only=True)
class Camera(Reference):
    """From the plane of the detectors [m] to tangents of directions at the grating wheel."""

    type: ClassVar[str] = "camera"
    model: Annotated[Any, Node("model", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Collimator(Reference):
    """From tangents of directions at the grating wheel to the plane of the slits [m]."""

    type: ClassVar[str] = "collimator"
    model: Annotated[Any, Node("model", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class DisperserFile(Reference):
    """A disperser: the file's whole tree; see `calcore_nirspec.wcs.disperser`."""

    type: ClassVar[str] = "disperser"
    tree: Annotated[Any, Node("", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fore(Reference):
    """From the plane of the slits [m] and wavelength [m] to the telescope's focal plane."""

    type: ClassVar[str] = "fore"
    model: Annotated[Any, Node("model", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ote(Reference):
    """From the telescope's focal plane to V2, V3 [arcsec]."""

    type: ClassVar[str] = "ote"
    model: Annotated[Any, Node("model", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class WavelengthRange(Reference):
    """Ranges of wavelength [m] and orders of the combinations of filter and disperser."""

    type: ClassVar[str] = "wavelengthrange"
    names: Annotated[Any, Node("waverange_selector", required=True)]
    ranges: Annotated[Any, Node("wavelengthrange", required=True)]
    orders: Annotated[Any, Node("order", required=True)]

    def of(self, light: str, grating: str) -> tuple[float, float, int]:
        """Return the limits [m] and the order; `light` is a filter or a lamp.

        Raises
        ------
        ReferenceInvalid
            The combination is not listed.
        """
        name = f"{light}_{grating}"
        known = [str(own) for own in self.names]
        if name not in known:
            raise ReferenceInvalid(
                f"the wavelengthrange reference knows {', '.join(sorted(known))}, but not {name}; "
                "give one that does with --ref wavelengthrange=FILE"
            )
        place = known.index(name)
        low, high = self.ranges[place]
        return float(low), float(high), int(self.orders[place])


@dataclass(frozen=True, eq=False, kw_only=True)
class Msa(Reference):
    """Where shutters and slits are: the file's whole tree, ``Q1`` to ``Q4``, and ``Q5`` for slits."""

    type: ClassVar[str] = "msa"
    tree: Annotated[Any, Node("", required=True)]

    def quadrant(self, number: int) -> Mapping[str, Any]:
        """Return ``data``, centres and sizes of apertures [m], and ``model``, to the common plane.

        Raises
        ------
        ReferenceInvalid
            The file lacks it.
        """
        if f"Q{number}" not in self.tree:
            raise ReferenceInvalid(
                f"the msa reference has no part Q{number}; give another with --ref msa=FILE"
            )
        found: Mapping[str, Any] = self.tree[f"Q{number}"]
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class MsaConfiguration(Reference):
    """Shutters of a visit: `table`, a row for each and exposure (JWST documentation, "MSA Metadata").

    CRDS does not have it: the header's MSAMETFL names it.
    """

    type: ClassVar[str] = "msametfl"
    in_crds: ClassVar[bool] = False
    table: Annotated[Table, TableExtension("SHUTTER_INFO", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class MsaOperation(Reference):
    """Shutters that failed: a list of quadrant, place and states."""

    type: ClassVar[str] = "msaoper"
    shutters: Annotated[Any, Node("msaoper", required=True)]

    def stuck_open(self) -> list[tuple[int, int, int]]:
        """Return quadrant, row and column of those that some state says are open.

        Raises
        ------
        ReferenceInvalid
            The list is not as it should be.
        """
        try:
            return [
                (int(one["Q"]), int(one["x"]), int(one["y"]))
                for one in self.shutters
                if "open" in {str(one.get(state)).lower() for state in _STATES}
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReferenceInvalid(
                f"the msaoper reference lists shutters otherwise than by Q, x and y ({error}); "
                "give another with --ref msaoper=FILE"
            ) from error


@dataclass(frozen=True, eq=False, kw_only=True)
class IfuSlicer(Reference):
    """Slices: `data`, numbers, centres and sizes [m]; `model`, to the plane of the slicer [m]."""

    type: ClassVar[str] = "ifuslicer"
    data: Annotated[Any, Node("data", required=True)]
    model: Annotated[Any, Node("model", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class IfuPost(Reference):
    """From the slicer to the plane of the slits [m]: the file's whole tree, ``slice_0`` to ``_29``."""

    type: ClassVar[str] = "ifupost"
    tree: Annotated[Any, Node("", required=True)]

    def slice(self, number: int) -> Mapping[str, Any]:
        """Return the models ``linear``, ``xpoly``, ``ypoly`` and their terms in wavelength.

        Raises
        ------
        ReferenceInvalid
            The file lacks the slice.
        """
        name = f"slice_{number}"
        if name not in self.tree:
            raise ReferenceInvalid(
                f"the ifupost reference has no {name}; give another with --ref ifupost=FILE"
            )
        found: Mapping[str, Any] = self.tree[name]
        return found


def closed(meta: Meta) -> bool:
    """Return whether the sky is kept out, so that lamps can be seen."""
    return bool(meta.get("instrument.filter") == CLOSED)


def light_of(meta: Meta) -> str:
    """Return what `WavelengthRange` knows the light by: the filter, or the lamp where it is closed."""
    return str(meta["instrument.lamp_state" if closed(meta) else "instrument.filter"])


def readings_of(meta: Meta) -> tuple[float | None, float | None]:
    """Return what the sensors of the grating wheel say, for x and y; None where the header does not."""
    x, y = (meta.get(f"instrument.gwa_{axis}tilt") for axis in "xy")
    return None if x is None else float(x), None if y is None else float(y)
