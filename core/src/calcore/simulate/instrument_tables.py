"""What an instrument's package brings for its simulation, read when first asked for."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import PluginBroken, UnknownName
from calcore.simulate.physics import Physics
from calcore.simulate.readout import ReadPattern, load_patterns
from calcore.simulate.reference_io import Setup
from calcore.simulate.spectrograph import Spectrograph
from calcore.simulate.tables import Detector, Filter, load_detectors, load_filters


def _none(mode: Mapping[str, Any], folder: Path) -> None:
    """Write nothing."""


@dataclass(frozen=True)
class SimulatedInstrument:
    """An instrument to simulate; `package` brings ``tables/*.toml``.

    ``simulate.toml`` says modes, physics, read-out and references, ``readout_patterns.toml`` the
    patterns, ``apertures.toml`` and ``filters.toml`` the optics. `makers` write references that no
    other instrument has, by their kind; `companions` writes, into a folder, files that the headers
    of a mode name; `spectrographs` makes those that modes name, from a value of BAND and a folder of
    geometry.
    """

    package: str
    makers: Mapping[str, Callable[[Setup, Path], None]] = field(default_factory=dict, compare=False)
    companions: Callable[[Mapping[str, Any], Path], None] = field(default=_none, compare=False)
    spectrographs: Mapping[str, Callable[[str, Path | None], Spectrograph]] = field(
        default_factory=dict, compare=False
    )

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """Content of ``simulate.toml``."""
        return self._load("simulate")

    @cached_property
    def name(self) -> str:
        """Value of INSTRUME."""
        return str(self.table["instrument"])

    @cached_property
    def detectors(self) -> Mapping[str, Detector]:
        """Geometry of the detectors by the value of DETECTOR."""
        return load_detectors(files(self.package) / "tables" / "apertures.toml")

    @cached_property
    def filters(self) -> Mapping[str, Filter]:
        """Filters by name."""
        return load_filters(files(self.package) / "tables" / "filters.toml")

    @cached_property
    def patterns(self) -> Mapping[str, ReadPattern]:
        """Read-out patterns by the value of READPATT."""
        return load_patterns(self._load("readout_patterns"))

    def mode(self, name: str, size: str | None = None) -> Mapping[str, Any]:
        """Return the settings of a mode, in one of its named sizes.

        A mode takes what it does not say from the one that it is ``like``, sizes excepted.

        Raises
        ------
        UnknownName
            There is no such mode or size.
        PluginBroken
            It is like a mode that is itself like another.
        """
        modes = self.table["modes"]
        if name not in modes:
            raise UnknownName(f"simulated mode of {self.name}", name, modes)
        settings = dict(modes[name])
        if "like" in settings:
            first = dict(modes[settings.pop("like")])
            if "like" in first:
                raise PluginBroken(
                    f"{self.package}: table simulate, {name} is like one like another"
                )
            settings = {key: first[key] for key in first if key not in SIZES} | settings
        sizes = {key: settings.pop(key) for key in list(settings) if key in SIZES}
        if size is None:
            return settings
        if size not in sizes:
            raise UnknownName(f"size of {self.name} {name}", size, sizes)
        return {**settings, **sizes[size]}

    def references(self, mode: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Return the rows of the reference types that a mode needs, by type.

        Those of its spectrograph stand in ``[spectral.<spectrograph>.<type>]``; what one does not say it
        takes from ``[references.<type>]``, which stands for all other modes.
        """
        common = self.table["references"]
        own = self.table.get("spectral", {}).get(mode.get("spectrograph", ""), {})
        return {**common, **{name: {**common.get(name, {}), **row} for name, row in own.items()}}

    def detector(self, name: str) -> Detector:
        """Return a detector's geometry; raises `UnknownName`."""
        if name not in self.detectors or name not in self.table["detector"]:
            raise UnknownName(f"{self.name} detector", name, self.table["detector"])
        return self.detectors[name]

    def filter(self, name: str) -> Filter:
        """Return a filter; raises `UnknownName`."""
        if name not in self.filters:
            raise UnknownName(f"{self.name} filter", name, self.filters)
        return self.filters[name]

    def pattern(self, name: str) -> ReadPattern:
        """Return a read-out pattern; raises `UnknownName`."""
        if name not in self.patterns:
            raise UnknownName(f"{self.name} read-out pattern", name, self.patterns)
        return self.patterns[name]

    def physics(self, detector: str) -> Physics:
        """Return what a detector is made of."""
        kind = self.table["detector"][detector]["physics"]
        return Physics.from_table(self.table["physics"][kind], f"physics.{kind}")

    def gain_factor(self, subarray: str) -> float:
        """Return the gain with which a sub-array is read over the detector's usual one."""
        row = self.table["readout"]["subarray"].get(subarray, {})
        return float(row.get("gain_factor", 1.0))

    def shaded(self, subarray: str, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the light off a sub-array's dark columns, in place."""
        dark = int(self.table["readout"]["subarray"][subarray].get("dark_columns", 0))
        rate[:, :dark] = rate[:, rate.shape[1] - dark :] = 0
        return rate

    def _load(self, name: str) -> dict[str, Any]:
        path = files(self.package) / "tables" / f"{name}.toml"
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PluginBroken(f"{self.package}: table {name} cannot be read: {error}") from error


SIZES = ("small",)
"""Names of the sizes that a mode's table may hold."""
