"""What core must know of a detector and of an exposure type; instruments keep these as tables."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One row of an instrument's ``tables/detectors.toml``.

    Attributes
    ----------
    name : str
        Value of the DETECTOR keyword.
    rows, columns : int
        Size of the full frame as products have it [pixel].
    reference_rows : tuple of int
        Reference-pixel rows at the bottom and at the top of the full frame.
    reference_columns : tuple of int
        Reference-pixel columns at the left and at the right of the full frame.
    fast_axis, slow_axis : int
        FASTAXIS and SLOWAXIS: 1 is x, 2 is y; negative when reading runs towards lower numbers.
    outputs : int
        Amplifiers that read a full frame.
    interleaved_outputs : bool
        True if neighbouring pixels along the fast axis belong to different amplifiers; otherwise
        each amplifier reads a contiguous part.
    flicker_axis : int, optional
        Axis along which the noise that flickers during a read is the same: 1 is x, 2 is y; the fast
        axis unless said otherwise.
    dark_columns : dict
        Sub-arrays, by name, whose outermost columns serve as reference pixels though they are none,
        since no light falls on them; how many columns at each end.
    interleaved : dict
        Read-out patterns that read reference pixels between others, and how (see `Interleaved`).
    whole_superstripes : tuple of str
        Sub-arrays, by name, whose super-stripes are put together to all lines of the detector, those
        that were not read included.
    """

    name: str
    rows: int
    columns: int
    reference_rows: tuple[int, int]
    reference_columns: tuple[int, int]
    fast_axis: int
    slow_axis: int
    outputs: int
    interleaved_outputs: bool = False
    flicker_axis: int | None = None
    channel: str | None = None
    module: str | None = None
    dark_columns: dict[str, int] = field(default_factory=dict)
    interleaved: dict[str, Any] = field(default_factory=dict)
    whole_superstripes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExposureType:
    """One row of an instrument's ``tables/exposure_types.toml``.

    Attributes
    ----------
    name : str
        Value of the EXP_TYPE keyword.
    stages : dict
        Names of the pipelines that process this type, by stage (``"1"``, ``"2"``, ``"3"``). A stage
        that is not named is not supported by this version of the plugin.
    last_stage : str
        The last stage there is for such exposures; nothing is to be made after it.
    time_series : bool
        Always a time series, whatever TSOVISIT says.
    role : str
        What the exposure is to an association: ``science``, ``target_acquisition``, ``dark`` …
    data : dict
        Further columns that techniques ask for, such as ``dispersion_axis``.
    """

    name: str
    stages: dict[str, str] = field(default_factory=dict)
    last_stage: str = "3"
    time_series: bool = False
    role: str = "science"
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What the instrument's tables say of one exposure."""

    detector: Detector
    exposure_type: ExposureType
