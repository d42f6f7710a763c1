"""Remove periodic electromagnetic interference from ramps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Annotated, Literal

from calcore.errors import StepSkipped
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Emi
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore_miri.steps._interference import Clocks, Known, Wave, bands_of, fitted, looks_of
from calcore_miri.steps._phased import Folding, StepWave, find

FEWEST_GROUPS = {"joint": 3, "sequential": 4}


@dataclass(frozen=True)
class Waves:
    """All waves that were found, and the clocks of the frame."""

    clocks: Clocks
    waves: tuple[Wave | StepWave, ...]


@dataclass(frozen=True, kw_only=True)
class EmiCorr(Step):
    """Find waves of known frequency in all ramps of an exposure, and subtract them.

    Where in its cycle a wave is when a pixel is read follows from the detector's clocks. Jointly,
    all good pixels that are read at the same phase are added up, and one wave and a ramp for each
    phase are fitted together; pixels with any flag, and those whose ramp spreads over twice the
    usual range, do not take part. One after the other, straight lines are taken from all ramps, and
    what is left is averaged by phase. Either way the next frequency is sought in what is left. A wave
    that advances by whole cycles from one group to the next is no different from a bias; it is left
    in.
    """

    cites = ("Lomb 1976, Ap&SS 39, 447", "Zechmeister & Kürster 2009, A&A 496, 577")
    algorithm: Annotated[
        Literal["joint", "sequential"],
        Doc(
            "'joint' fits ramps and waves together; 'sequential' takes straight lines from the "
            "ramps first, which takes many groups. Without a reference waves are sequential."
        ),
    ] = "joint"
    nints_to_phase: Annotated[
        int | None, Range(1), Doc("Sequential: integrations to measure the waves in.")
    ] = None
    nbins: Annotated[
        int | None, Range(1), Doc("Sequential: bins of phase; None has two samples in each.")
    ] = None
    scale_reference: Annotated[
        bool, Doc("Sequential: stretch the reference's wave to the one that was measured.")
    ] = True
    onthefly_corr_freq: Annotated[
        tuple[float, ...] | None,
        Range(1e-3),
        Unit("Hz"),
        Doc("Subtract waves of these frequencies as measured, whatever the reference knows."),
    ] = None
    use_n_cycles: Annotated[
        int | None,
        Range(1),
        Doc("Sequential: cycles to measure, if nints_to_phase is None; None: all integrations."),
    ] = 3
    fit_ints_separately: Annotated[
        bool, Doc("Joint: give waves an amplitude and a phase of their own in every integration.")
    ] = False
    shared_curve: Annotated[
        bool,
        Doc(
            "Joint: let all ramps of an integration share a departure from straight lines, which "
            "non-linearity and the decay after a reset bring, so that it is not taken for a wave."
        ),
    ] = False
    least_significance: Annotated[
        float,
        Range(0),
        Unit("sigma"),
        Doc("Joint: leave a wave in that stands out less than this."),
    ] = 0.0

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Look no reference up if the frequencies are given."""
        return super().wanted(meta) if self.onthefly_corr_freq is None else frozenset()

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Waves are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip short ramps, and read-outs that the reference does not know."""
        fewest = FEWEST_GROUPS[self._algorithm]
        if meta.n_groups < fewest:
            raise StepSkipped(f"{meta.n_groups} groups are too few to tell a wave from a ramp")
        reference = references.get("emicorr")
        if self.onthefly_corr_freq is None and reference is None:
            raise StepSkipped("there is no emicorr reference, and onthefly_corr_freq is not given")
        self._known(meta, reference if isinstance(reference, Emi) else None)

    @property
    def _algorithm(self) -> str:
        return self.algorithm if self.onthefly_corr_freq is None else "sequential"

    def _known(self, meta: Meta, reference: Emi | None) -> Known:
        """Return what is known of the exposure and of its waves."""
        if self.onthefly_corr_freq is None and reference is not None:
            return Known.of(meta, reference)
        waves = tuple((frequency, None) for frequency in self.onthefly_corr_freq or ())
        return Known(Clocks.of(meta), waves)

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Return some rows of each band, to see how far ramps spread; then all bands.

        One wave after the other, return all bands for each.
        """
        del meta
        bands = bands_of(frame)
        return (*looks_of(frame), *bands) if self._algorithm == "joint" else cycle(bands)

    def prepare(self, meta: Meta, parts: Iterator[Ramp], *, emicorr: Emi | None) -> Waves:
        """Find the waves."""
        known = self._known(meta, emicorr)
        first = next(parts)
        if self._algorithm == "sequential":
            folding = Folding(
                self.nints_to_phase, self.nbins, self.use_n_cycles, self.scale_reference
            )
            return Waves(known.clocks, find(first, parts, known, folding))
        waves = fitted(
            first,
            parts,
            known,
            separately=self.fit_ints_separately,
            shared=self.shared_curve,
            least=self.least_significance,
        )
        return Waves(known.clocks, waves)

    def apply(self, ramp: Ramp, *, waves: Waves, emicorr: Emi | None) -> Ramp:
        """Subtract the waves from the band."""
        del emicorr
        data = ramp.data
        for wave in waves.waves:
            data = wave.subtracted(data, waves.clocks, ramp.frame)
        return ramp.replace(data=data)
