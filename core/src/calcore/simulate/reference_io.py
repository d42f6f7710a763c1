"""What all reference files have in common: headers, flags with a numbering of their own, writing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.simulate.detector_maps import DetectorMaps
from calcore.simulate.interleaving import InterleavedFrame
from calcore.simulate.physics import Effects, Physics
from calcore.simulate.readout import Plan
from calcore.simulate.streams import stream
from calcore.simulate.striped import StripedReadout
from calcore.simulate.tables import Detector, Filter, Subarray

AUTHOR = "calcore simulate"
ASDF_VERSION = "1.5.0"
"""Old enough for all readers."""
SHORT = 1000
"""Arrays of fewer numbers stay in the tree of an ASDF file, as those of flight's references do: the reference
pipeline reads the radii of `extract1d` when it has closed the file."""
SUBARRAY_KEYS = ("SUBARRAY", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2", "FASTAXIS", "SLOWAXIS")


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well the references were measured.

    Attributes
    ----------
    frames
        Dark exposures that were averaged for superbias, dark and reset.
    gain, read_noise, flat
        Relative error of a pixel's gain, read noise and flat field.
    linearity
        Relative error of the linearised signal at full scale.
    saturation
        The threshold lies by this fraction of the full scale below it.
    photometry
        Relative uncertainty that the photometric tables state.
    """

    frames: int = 100
    gain: float = 0.01
    read_noise: float = 0.02
    flat: float = 0.001
    linearity: float = 3e-4
    saturation: float = 0.03
    photometry: float = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """For what a reference file is made, and from what.

    Attributes
    ----------
    instrument
        Value of INSTRUME.
    use_after
        Start of validity (USEAFTER).
    exposure_type
        Value of EXP_TYPE.
    detector, subarray, filter
        The exposure's; a file for the full frame ignores the sub-array.
    plan
        Its read-out.
    outputs
        Value of NOUTPUTS.
    maps
        True properties of the whole detector.
    physics, effects, quality
        What the detector is made of, what is switched on, how well it was measured.
    seed
        Seed of the detector; the errors of the references depend on it and on their type alone.
    gain_factor
        Gain of the exposure over the detector's usual one (GAINFACT).
    striped
        How the sub-array is read in stripes; None where it is read in one piece.
    interleaved
        What frames hold besides the pixels of the detector; None where that is nothing.
    keywords
        What else headers of the mode say, such as the disperser.
    table
        The type's row in the instrument's ``[references]``.
    """

    instrument: str
    use_after: str
    exposure_type: str
    detector: Detector
    subarray: Subarray
    filter: Filter
    plan: Plan
    outputs: int
    maps: DetectorMaps
    physics: Physics
    effects: Effects
    quality: Quality
    seed: int
    gain_factor: float = 1.0
    striped: StripedReadout | None = None
    interleaved: InterleavedFrame | None = None
    keywords: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def area(self) -> Subarray:
        """The part of the detector that the file covers."""
        if not self.table.get("per_subarray", False):
            return self.detector.full
        return self.subarray if self.striped is None else self.striped.product

    @property
    def window(self) -> tuple[Any, Any]:
        """Where this part lies on the detector, as an index of its maps (y, x)."""
        own = self.table.get("per_subarray", False)
        return self.area.window if self.striped is None or not own else self.striped.window

    def random(self, *words: str) -> np.random.Generator:
        """Return the stream of a measurement error, frozen for the detector and the area."""
        return stream(self.seed, "reference", self.detector.name, self.area.name, *words)

    def error(self, *words: str) -> NDArray[np.float32]:
        """Return normal measurement errors of unit size over the area; 0 if switched off."""
        if not self.effects.reference_errors:
            return np.zeros(self.area.shape, np.float32)
        return self.random(*words).standard_normal(self.area.shape, dtype=np.float32)

    def value(self, key: str) -> str:
        """Return the exposure's value of a key that CRDS matches; ``N/A`` where it has none."""
        if key in self.table.get("any", ()):
            return "N/A"
        values = {
            "DETECTOR": self.detector.name,
            "CHANNEL": self.detector.channel,
            "MODULE": self.detector.module,
            "SUBARRAY": self.subarray.name,
            "READPATT": self.plan.pattern.name,
            "FILTER": self.filter.header_value,
            "PUPIL": self.filter.pupil,
            "EXP_TYPE": self.exposure_type,
            "NOUTPUTS": f"{self.outputs}.0",
        }
        return str(values.get(key) or self.keywords.get(key) or "N/A")


def numbered(
    flags: NDArray[np.uint32], names: Sequence[DQ]
) -> tuple[NDArray[np.uint32], NDArray[np.void]]:
    """Number flags as a reference file does: in the given order, from bit 0.

    Parameters
    ----------
    flags : array
        As `DQ` numbers them.
    names
        The flags that the file knows; others are dropped.

    Returns
    -------
    dq : array of uint32
        As the file numbers them.
    definition : structured array
        Rows of the DQ_DEF table: BIT, VALUE, NAME, DESCRIPTION.
    """
    dq = np.zeros(flags.shape, np.uint32)
    rows = []
    for bit, flag in enumerate(names):
        dq[flags & np.uint32(flag) != 0] |= np.uint32(1 << bit)
        text = str(flag.name).replace("_", " ").capitalize()
        rows.append((bit, 1 << bit, str(flag.name), text))
    kinds = [("BIT", "i4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
    return dq, np.array(rows, dtype=kinds)


def keywords(setup: Setup, reference_type: str, model: str, name: str) -> dict[str, Any]:
    """Return the header that every reference file has."""
    area, detector = setup.area, setup.detector
    header: dict[str, Any] = {
        "DATE": setup.use_after,
        "FILENAME": name,
        "TELESCOP": "JWST",
        "INSTRUME": setup.instrument,
        "DETECTOR": detector.name,
        "REFTYPE": reference_type.upper(),
        "DATAMODL": model,
        "AUTHOR": AUTHOR,
        "PEDIGREE": "SIMULATION",
        "USEAFTER": setup.use_after,
        "DESCRIP": f"Simulated {reference_type}",
        "SUBARRAY": area.name,
        "SUBSTRT1": area.xstart,
        "SUBSTRT2": area.ystart,
        "SUBSIZE1": area.xsize,
        "SUBSIZE2": area.ysize,
        "FASTAXIS": detector.fast_axis,
        "SLOWAXIS": detector.slow_axis,
    }
    if detector.module:
        header["MODULE"] = detector.module
    if detector.channel:
        header["CHANNEL"] = detector.channel
    for key in setup.table.get("parkey", ()):
        value = setup.value(key)
        if key not in header and value != "N/A" and key != "NOUTPUTS":
            header[key] = value
    return header


def write_fits(
    path: Path,
    header: Mapping[str, Any],
    planes: Mapping[str, NDArray[np.generic]],
    flags: tuple[NDArray[np.uint32], NDArray[np.void]] | None = None,
    tables: Mapping[str, NDArray[np.void]] | None = None,
) -> None:
    """Write a FITS reference file.

    Parameters
    ----------
    path
        Where to.
    header
        Keywords of the primary header.
    planes
        Images by extension name.
    flags
        From `numbered`; makes DQ and DQ_DEF.
    tables
        Binary tables by extension name.
    """
    primary = fits.PrimaryHDU()
    for key, value in header.items():
        primary.header[key] = value
    hdus: list[Any] = [primary]
    hdus += [fits.ImageHDU(values, name=name) for name, values in planes.items()]
    if flags is not None:
        hdus.append(fits.ImageHDU(flags[0], name="DQ"))
        hdus.append(fits.BinTableHDU(flags[1], name="DQ_DEF"))
    for name, values in (tables or {}).items():
        hdus.append(fits.BinTableHDU(values, name=name))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def write_asdf(
    path: Path, setup: Setup, reference_type: str, model: str, tree: dict[str, Any]
) -> None:
    """Write an ASDF reference file: `tree` and the metadata that every one has, beside its own."""
    meta: dict[str, Any] = {
        "author": AUTHOR,
        "date": setup.use_after,
        "description": f"Simulated {reference_type}",
        "exposure": {"type": setup.exposure_type},
        "filename": path.name,
        "instrument": {"name": setup.instrument, "detector": setup.detector.name},
        "model_type": model,
        "pedigree": "SIMULATION",
        "reftype": reference_type,
        "telescope": "JWST",
        "title": f"Simulated {reference_type}",
        "useafter": setup.use_after,
    }
    if setup.detector.channel:
        meta["instrument"]["channel"] = setup.detector.channel
    if setup.detector.module:
        meta["instrument"]["module"] = setup.detector.module
    file = asdf.AsdfFile({**tree, "meta": meta | tree.get("meta", {})}, version=ASDF_VERSION)
    with asdf.config_context() as settings:
        settings.array_inline_threshold = SHORT
        file.write_to(path, include_block_index=False)
