"""What to observe, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from calcore.simulate.physics import Effects
from calcore.simulate.reference_io import Quality
from calcore.simulate.scene import Scene
from calcore.simulate.sky_options import SkyOptions, Target
from calcore.simulate.spectral_scene import SpectralScene

DETECTOR_SEED = 2022
START_MJD = 61074.25
"""Start of the first exposure, 2026-02-03T06:00 UTC; later than all references' validity."""


@dataclass(frozen=True, kw_only=True)
class VisitOptions:
    """What to observe; None takes the instrument's own choice for the mode.

    Attributes
    ----------
    mode, size
        Mode, such as "image", and one of its named sizes, such as "small"; None is the usual one.
    seed
        Seed of sky, noise and hits.
    detector_seed
        Seed of the detectors and of their references: visits that share it share references.
    detectors, filters, subarray, pattern
        Values of DETECTOR, of FILTER (for each channel one at most), SUBARRAY and READPATT.
    n_groups, n_ints, n_dithers
        Groups, integrations, exposures.
    bands
        Values of BAND, one after another, where the mode has several.
    n_background
        Exposures of the sky beside the target, in each band, where the mode takes such.
    segment_ints
        Integrations in a file, where an exposure is cut into segments; None writes one file.
    target, sky
        Where to look, and what is there.
    source
        What a spectrograph looks at: "point", "extended", or "uniform" for the background alone.
    scene
        A sky of one's own in place of `sky` and `source`.
    geometry
        Folder of reference files that say where a spectrograph's pixels look, in place of what the
        simulator brings.
    effects, quality
        What the detectors suffer from, and how well the references know them.
    start_mjd
        Start of the visit [MJD, UTC].
    program, observation
        Numbers of the visit.
    references, truth
        Write a reference cache; write truth.
    operations
        Put the reference pipeline's parameters as operations set them into the cache too.
    """

    mode: str = "image"
    size: str | None = None
    seed: int = 0
    detector_seed: int = DETECTOR_SEED
    detectors: Sequence[str] | None = None
    filters: Sequence[str] | None = None
    subarray: str | None = None
    pattern: str | None = None
    n_groups: int | None = None
    n_ints: int | None = None
    n_dithers: int | None = None
    bands: Sequence[str] | None = None
    n_background: int | None = None
    segment_ints: int | None = None
    target: Target = field(default_factory=Target)
    sky: SkyOptions = field(default_factory=SkyOptions)
    source: str = "point"
    scene: Scene | SpectralScene | None = None
    geometry: Path | None = None
    effects: Effects = field(default_factory=Effects)
    quality: Quality = field(default_factory=Quality)
    start_mjd: float = START_MJD
    program: int = 1234
    observation: int = 1
    references: bool = True
    truth: bool = True
    operations: bool = False


@dataclass(frozen=True, kw_only=True)
class SimulatedVisit:
    """What a simulation wrote.

    Attributes
    ----------
    raw
        Raw exposures.
    associations
        Association files, one for each filter.
    cache
        Reference cache, the value for CRDS_PATH; None if none was asked for.
    environment
        Variables that make CRDS use the cache.
    truth
        Folder of truth; None if none was asked for.
    """

    raw: tuple[Path, ...]
    associations: tuple[Path, ...]
    cache: Path | None
    environment: dict[str, str]
    truth: Path | None
