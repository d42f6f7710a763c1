"""Metadata of an exposure: an immutable mapping of the JWST data model's dotted names."""

from collections.abc import Iterator, Mapping
from typing import Any

from calcore.errors import CalcoreError, KeywordInvalid, KeywordMissing
from calcore.model.facts import Facts


class Meta(Mapping[str, Any]):
    """Immutable mapping from dotted names, such as ``exposure.group_time``, to values.

    Parameters
    ----------
    values : mapping
        Dotted names (without the leading ``meta.``) and their values. A value of None is no value.
    facts : Facts, optional
        What the instrument's tables say of the detector and the exposure type.

    Raises
    ------
    KeywordMissing
        When a name is asked for that has no value.
    """

    __slots__ = ("_facts", "_values")

    def __init__(self, values: Mapping[str, Any] | None = None, facts: Facts | None = None) -> None:
        self._values = {name: value for name, value in (values or {}).items() if value is not None}
        self._facts = facts

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise KeywordMissing(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of `name`, or `default` if it has none."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Meta({self._values!r})"

    def set(self, changes: Mapping[str, Any] | None = None, /, **names: Any) -> "Meta":
        """Return a copy with changed values; None removes a name."""
        return Meta({**self._values, **(changes or {}), **names}, self._facts)

    def with_facts(self, facts: Facts) -> "Meta":
        """Return a copy that knows what the instrument's tables say."""
        return Meta(self._values, facts)

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number, or `default` if the name has no value.

        Raises
        ------
        KeywordMissing, KeywordInvalid
            There is no value and no default; it is no whole number.
        """
        value = self[name] if default is None else self.get(name, default)
        if isinstance(value, str) or value != value // 1:
            raise KeywordInvalid(name, value, "a whole number")
        return int(value)

    def number(self, name: str) -> float:
        """Return a number.

        Raises
        ------
        KeywordMissing, KeywordInvalid
            There is no value; it is no number.
        """
        value = self[name]
        if isinstance(value, str):
            raise KeywordInvalid(name, value, "a number")
        return float(value)

    @property
    def facts(self) -> Facts:
        """What the instrument's tables say of this exposure."""
        if self._facts is None:
            raise CalcoreError(
                "nothing is known of this exposure's detector: open it with calcore.open, "
                "or give its Meta the instrument's facts"
            )
        return self._facts

    @property
    def has_facts(self) -> bool:
        """True if it is known what the instrument's tables say."""
        return self._facts is not None

    # The names that steps use most.

    @property
    def instrument(self) -> str:
        """Name of the instrument, as INSTRUME has it."""
        return str(self["instrument.name"])

    @property
    def detector(self) -> str:
        """Name of the detector, as DETECTOR has it."""
        return str(self["instrument.detector"])

    @property
    def exposure_type(self) -> str:
        """EXP_TYPE."""
        return str(self["exposure.type"])

    @property
    def n_integrations(self) -> int:
        """NINTS: integrations of the whole exposure, which may be more than this segment holds."""
        return self.whole("exposure.nints")

    @property
    def n_groups(self) -> int:
        """NGROUPS."""
        return self.whole("exposure.ngroups")

    @property
    def frames_per_group(self) -> int:
        """NFRAMES: reads averaged into one group."""
        return self.whole("exposure.nframes")

    @property
    def group_gap(self) -> int:
        """GROUPGAP: reads dropped between groups."""
        return self.whole("exposure.groupgap", 0)

    @property
    def frame_time_s(self) -> float:
        """TFRAME: time of one read [s]."""
        return self.number("exposure.frame_time")

    @property
    def group_time_s(self) -> float:
        """TGROUP: time between groups [s]."""
        return self.number("exposure.group_time")

    @property
    def first_integration(self) -> int:
        """INTSTART: number of the first integration in this file, from 1."""
        return self.whole("exposure.integration_start", 1) or 1

    @property
    def subarray(self) -> str:
        """SUBARRAY."""
        return str(self["subarray.name"])

    @property
    def subarray_origin(self) -> tuple[int, int]:
        """Row and column of the sub-array's first pixel in the full frame, from 0."""
        return self.whole("subarray.ystart", 1) - 1, self.whole("subarray.xstart", 1) - 1

    @property
    def is_full_frame(self) -> bool:
        """True if the exposure has the size of its detector."""
        detector = self.facts.detector
        size = self.get("subarray.ysize"), self.get("subarray.xsize")
        return size == (detector.rows, detector.columns)

    @property
    def is_time_series(self) -> bool:
        """True for a time series of at least two integrations (TSOVISIT or by exposure type)."""
        flagged = bool(self.get("visit.tsovisit", False)) or self.facts.exposure_type.time_series
        return flagged and self.n_integrations > 1
