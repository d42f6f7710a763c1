"""An instrument as core sees it: a name, a package, and tables.

A plugin says ``INSTRUMENT = Instrument(name="...", package=__name__)`` and brings
``tables/detectors.toml``, ``tables/exposure_types.toml`` and ``pipelines/*.toml``.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from calcore.errors import KeywordInvalid, ModeNotSupported, PluginBroken, UnknownName
from calcore.model.facts import Detector, ExposureType, Facts
from calcore.model.meta import Meta


@dataclass(frozen=True)
class Instrument:
    """An instrument's name (as INSTRUME has it) and the package that brings its tables.

    `more` are rows that other packages add to tables, by table and row.
    """

    name: str
    package: str
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)

    @property
    def distribution(self) -> str:
        """Name of the distribution that pip knows."""
        return self.package.replace("_", "-")

    @property
    def version(self) -> str:
        """Version of the plugin."""
        try:
            return version(self.distribution)
        except PackageNotFoundError as error:
            raise PluginBroken(
                f"{self.package} is importable but not installed: pip install {self.distribution}"
            ) from error

    def file(self, *parts: str) -> Traversable:
        """Return a file of the plugin, such as ``("tables", "detectors.toml")``."""
        return files(self.package).joinpath(*parts)

    def table(self, name: str) -> dict[str, Any]:
        """Return the content of ``tables/<name>.toml``."""
        path = self.file("tables", f"{name}.toml")
        try:
            own = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PluginBroken(f"{self.package}: table {name} cannot be read: {error}") from error
        return {**self.more.get(name, {}), **own}

    def with_rows(self, table: str, rows: Mapping[str, Any], source: str) -> "Instrument":
        """Return the instrument with rows that another package adds to a table.

        Raises
        ------
        PluginBroken
            The instrument has a row of one of these names already.
        """
        taken = sorted(set(rows) & set(self.table(table)))
        if taken:
            raise PluginBroken(
                f"{source} adds {', '.join(taken)} to the table {table} of {self.distribution}, "
                "which has it already; give it another name"
            )
        rows = {**self.more.get(table, {}), **rows}
        return replace(self, more={**self.more, table: rows})

    @cached_property
    def detectors(self) -> Mapping[str, Detector]:
        """Detectors by the value of DETECTOR."""
        rows = self.table("detectors")
        return {
            name: Detector(
                name=name,
                **{
                    **row,
                    "reference_rows": tuple(row["reference_rows"]),
                    "reference_columns": tuple(row["reference_columns"]),
                    "whole_superstripes": tuple(row.get("whole_superstripes", ())),
                },
            )
            for name, row in rows.items()
        }

    @cached_property
    def exposure_types(self) -> Mapping[str, ExposureType]:
        """Exposure types by the value of EXP_TYPE."""
        known = {"stages", "last_stage", "time_series", "role"}
        return {
            name: ExposureType(
                name=name,
                **{key: row[key] for key in known if key in row},
                data={key: value for key, value in row.items() if key not in known},
            )
            for name, row in self.table("exposure_types").items()
        }

    @cached_property
    def refused(self) -> Sequence[Mapping[str, Any]]:
        """What this version does not do of types that it does; empty where there is no such table.

        Rows have ``name``, the metadata's, and ``keyword``, the header's; ``values`` that are refused,
        or every value without; ``stages`` at which, and ``exposure_types`` of which, or all; and
        ``what``, words for the message.
        """
        if not self.file("tables", "refused.toml").is_file():
            return ()
        return tuple(self.table("refused")["refused"])

    def facts(self, meta: Meta) -> Facts:
        """Return what the tables say of an exposure.

        Raises
        ------
        UnknownName
            The detector or the exposure type is not this instrument's.
        KeywordInvalid
            The header contradicts the table about how the detector reads out.
        """
        if meta.detector not in self.detectors:
            raise UnknownName(f"{self.name} detector", meta.detector, self.detectors)
        if meta.exposure_type not in self.exposure_types:
            raise UnknownName(f"{self.name} exposure type", meta.exposure_type, self.exposure_types)
        detector = self.detectors[meta.detector]
        axes = meta.get("subarray.fastaxis"), meta.get("subarray.slowaxis")
        wanted = detector.fast_axis, detector.slow_axis
        if None not in axes and axes != wanted:
            raise KeywordInvalid("FASTAXIS, SLOWAXIS", axes, f"{wanted} on {detector.name}")
        return Facts(detector, self.exposure_types[meta.exposure_type])

    def pipeline_of(self, meta: Meta, stage: str) -> str:
        """Return the name of the pipeline that does `stage` for an exposure.

        Raises
        ------
        ModeNotSupported
            This version of the plugin has none, or there is nothing to do.
        """
        exposure_type = self.facts(meta).exposure_type
        for row in self.refused:
            value = meta.get(row["name"])
            found = value in row["values"] if "values" in row else bool(value)
            types = row.get("exposure_types", [exposure_type.name])
            if found and stage in row.get("stages", stage) and exposure_type.name in types:
                raise ModeNotSupported(
                    f"{self.distribution} {self.version} does not calibrate {row['what']} "
                    f"({row['keyword']} is {value})"
                )
        if stage > exposure_type.last_stage:
            raise ModeNotSupported(
                f"{exposure_type.name} exposures end with stage {exposure_type.last_stage}; there is "
                f"nothing to do at stage {stage}"
            )
        if stage not in exposure_type.stages:
            raise ModeNotSupported(
                f"{self.distribution} {self.version} has no stage-{stage} pipeline for "
                f"{exposure_type.name} exposures"
            )
        return exposure_type.stages[stage]

    def check_pipeline(self, name: str, meta: Meta, stage: str) -> None:
        """Check that a pipeline which a user names is not one of other exposure types.

        At stage 1 darks can be calibrated like others.

        Raises
        ------
        ModeNotSupported
            The exposure has another one, and this is of other types.
        """
        own = self.facts(meta).exposure_type
        others = sorted(t.name for t in self.exposure_types.values() if t.stages.get(stage) == name)
        usual = own.stages.get(stage, name)
        if stage != "1" and usual != name and others:
            raise ModeNotSupported(
                f"the pipeline {name} is for {', '.join(others)}, and {own.name} exposures go "
                f"through {usual}; leave out --pipeline"
            )
