"""The rules every instrument's tables obey, as tests to inherit.

::

    class TestMiri(InstrumentContract):
        instrument, package = INSTRUMENT, "calcore_miri"
"""

from importlib.resources import files
from typing import Any, ClassVar

from calcore.errors import KeywordInvalid, UnknownName
from calcore.instrument import Instrument
from calcore.model import Meta
from calcore.registry import discovery, manager
from calcore.registry.questions import build_pipeline
from calcore.simulate.geometry import distortion_model, inverse_residual, pixel_to_v2v3
from calcore.simulate.instrument_tables import SIZES, SimulatedInstrument
from calcore.simulate.readout import clocking
from calcore.simulate.tables import load_detectors
from calcore.step import Step

WHOLE, CUT = 1e-7, 2e-3


class InstrumentContract:
    """Inherit, and name the instrument and its package; the tables are held to what core relies on.

    Attributes
    ----------
    instrument
        What the package registers.
    package
        The name by which it is imported.
    places
        Detector, sub-array, pixel (x, y) counted from 0, and where it looks: V2, V3 [arcsec], by
        the aperture file.
    corners
        Detector, sub-array, first column and row counted from 1, columns, rows.
    axes
        Detector, and the axes it is read along: fast, slow.
    tolerance
        How far off places on whole frames, and on sub-arrays, may be [arcsec]. The file gives
        sub-arrays polynomials of their own; ours are the whole frame's.
    """

    instrument: ClassVar[Instrument]
    package: ClassVar[str]
    places: ClassVar[tuple[tuple[str, str, float, float, float, float], ...]] = ()
    corners: ClassVar[tuple[tuple[str, str, int, int, int, int], ...]] = ()
    axes: ClassVar[tuple[tuple[str, int, int], ...]] = ()
    tolerance: ClassVar[tuple[float, float]] = (WHOLE, CUT)

    def exposure(self, detector: str, **more: Any) -> Meta:
        """Return metadata of an exposure."""
        kind = min(self.instrument.exposure_types)
        return Meta({"instrument.detector": detector, "exposure.type": kind, **more})

    def apertures(self) -> dict[str, Any]:
        """Return the aperture table; empty where a package has none."""
        table = files(self.package) / "tables" / "apertures.toml"
        return dict(load_detectors(table)) if table.is_file() else {}

    def test_every_stage_that_is_named_has_a_pipeline(self) -> None:
        """An exposure type promises nothing that cannot be built, in either profile."""
        plugins = manager.manager()
        for name, kind in self.instrument.exposure_types.items():
            meta = Meta({"exposure.type": name})
            for stage, pipeline in kind.stages.items():
                for profile in ("default", "reference"):
                    made = build_pipeline(pipeline, self.instrument, meta, plugins, profile, name)
                    assert made.stage == stage, name
                    for slot in made.slots:
                        assert issubclass(discovery.load("calcore.steps", slot.use), Step), (
                            slot.name
                        )

    def test_modes_that_can_be_simulated_are_whole(self) -> None:
        """Detectors, filters, patterns and sub-arrays are there, and the exposure type is known."""
        if not (files(self.package) / "tables" / "simulate.toml").is_file():
            return
        tables = SimulatedInstrument(self.package)
        assert tables.name == self.instrument.name
        for name, rows in tables.table["modes"].items():
            for size in (None, *(key for key in SIZES if key in rows)):
                mode = tables.mode(name, size)
                assert mode["exposure_type"] in self.instrument.exposure_types, name
                tables.pattern(mode["pattern"])
                for detector in map(tables.detector, mode["detectors"]):
                    assert tables.filter(mode["filters"][detector.channel])
                    part = detector.subarray(mode["subarray"])
                    slow = tables.pattern(mode["pattern"]).samples > 1
                    clocks = clocking(tables.table["readout"], detector, part, slow)
                    assert clocks.outputs <= self.instrument.detectors[detector.name].outputs
                    assert tables.physics(detector.name).pixels.gain > 0

    def test_every_detector_reads_along_two_axes(self) -> None:
        """One axis is fast, the other slow, and some pixels see light."""
        for detector in self.instrument.detectors.values():
            assert sorted((abs(detector.fast_axis), abs(detector.slow_axis))) == [1, 2]
            assert detector.rows > sum(detector.reference_rows)
            assert detector.columns > sum(detector.reference_columns)
        for name, fast, slow in self.axes:
            detector = self.instrument.detectors[name]
            assert (detector.fast_axis, detector.slow_axis) == (fast, slow), name

    def test_a_header_that_contradicts_the_read_out_is_refused(self) -> None:
        """References would be laid on the wrong pixels."""
        for name, detector in self.instrument.detectors.items():
            axes = {"fastaxis": detector.slow_axis, "slowaxis": detector.fast_axis}
            meta = self.exposure(name, **{f"subarray.{key}": axis for key, axis in axes.items()})
            try:
                self.instrument.facts(meta)
            except KeywordInvalid as error:
                assert f"on {name}" in str(error)  # noqa: PT017 - the message is the point
            else:
                raise AssertionError(f"{name} may be read along {axes}")

    def test_an_unknown_detector_is_refused_with_the_nearest(self) -> None:
        """A wrong letter is found out."""
        for name in self.instrument.detectors:
            try:
                self.instrument.facts(self.exposure(f"{name}X"))
            except UnknownName as error:
                assert name in str(error)  # noqa: PT017 - the message is the point
            else:
                raise AssertionError(f"{name}X is known")

    def test_apertures_agree_with_the_detectors(self) -> None:
        """Simulator and calibration see the same detector."""
        for name, detector in self.apertures().items():
            facts = self.instrument.detectors[name]
            assert (detector.fast_axis, detector.slow_axis) == (facts.fast_axis, facts.slow_axis)
            assert (detector.ny, detector.nx) == (facts.rows, facts.columns)
            left, right, bottom, top = detector.reference_border
            assert (left, right) == tuple(facts.reference_columns)
            assert (bottom, top) == tuple(facts.reference_rows)

    def test_pixels_look_where_the_aperture_file_says(self) -> None:
        """The distortion is the aperture file's."""
        detectors = self.apertures()
        for name, subarray, x, y, v2, v3 in self.places:
            part = detectors[name].subarray(subarray)
            seen = pixel_to_v2v3(detectors[name], x + part.xstart - 1, y + part.ystart - 1)
            limit = self.tolerance[0 if subarray == "FULL" else 1]
            off = max(abs(float(seen[0]) - v2), abs(float(seen[1]) - v3))
            assert off <= limit, f"{name} {subarray} ({x}, {y}): {off} arcsec"

    def test_subarrays_begin_where_the_aperture_file_says(self) -> None:
        """A sub-array is where it is read."""
        detectors = self.apertures()
        for name, subarray, *corner in self.corners:
            part = detectors[name].subarray(subarray)
            assert [part.xstart, part.ystart, part.xsize, part.ysize] == corner, subarray

    def test_subarrays_lie_on_the_detector_and_look_where_they_say(self) -> None:
        """Their reference points are on the same sky as their pixels."""
        for detector in self.apertures().values():
            for part in detector.subarrays.values():
                assert min(part.xstart, part.ystart) >= 1
                assert part.xstart + part.xsize - 1 <= detector.nx
                assert part.ystart + part.ysize - 1 <= detector.ny
                place = part.x_ref + part.xstart - 1, part.y_ref + part.ystart - 1
                v2, v3 = pixel_to_v2v3(detector, *place)
                assert abs(float(v2) - part.v2_ref_arcsec) <= 0.01
                assert abs(float(v3) - part.v3_ref_arcsec) <= 0.01

    def test_the_distortion_can_be_inverted(self) -> None:
        """There and back is the same pixel."""
        for detector in self.apertures().values():
            rms, largest = inverse_residual(distortion_model(detector), (detector.ny, detector.nx))
            assert rms < 5e-6
            assert largest < 2e-5
