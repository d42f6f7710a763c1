"""What the tables of all imagers say alike; tests load it with `runpy`, as test folders are no packages."""

import re
from importlib.resources import files

import pytest

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.registry import manager
from calcore.registry.questions import build_pipeline
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.tables import load_filters

WITHOUT_LOOK = ["bkg_subtract", "assign_wcs", "flat_field", "photom"]


def slots(instrument, exposure_type, pipeline, profile="default"):
    """Return the slots of a pipeline that are not switched off, in order."""
    meta = Meta({"exposure.type": exposure_type})
    made = build_pipeline(pipeline, instrument, meta, manager.manager(), profile, exposure_type)
    return [slot.name for slot in made.slots if not slot.runs("skip", default=False)]


class Imager:
    """Inherit beside `InstrumentContract`.

    `image` is the exposure type of images of the sky; `single` are types of which no quick look is
    made, and `observatory` those of them that tell of the observatory; `unsupported` has no stage 2.
    `scales` are detectors with the sizes of their pixels along x and y [arcsec].
    """

    def imaged(self, exposure_type="", **more):
        names = {"instrument.detector": self.detectors[0]}
        return Meta(names | {"exposure.type": exposure_type or self.image} | more)

    def test_detectors(self):
        assert sorted(self.instrument.detectors) == sorted(self.detectors)

    def test_unsupported_mode_is_refused_with_its_name_and_the_version(self):
        told = rf"{self.instrument.distribution} \d.*stage-2 .*{self.unsupported}"
        with pytest.raises(ModeNotSupported, match=told):
            self.instrument.pipeline_of(self.imaged(self.unsupported), "2")

    def test_imaging_goes_through_all_three_stages(self):
        for stage, name in (("1", "detector1"), ("2", "image2"), ("3", "image3")):
            assert self.instrument.pipeline_of(self.imaged(), stage) == name

    def test_nominal_area(self):
        for name, x_scale, y_scale in self.scales:
            area = self.apertures()[name].pixel_area_sr
            assert area == pytest.approx(x_scale * y_scale * ARCSEC**2, rel=0.01)

    def test_filters_are_what_their_names_say(self):
        table = files(self.package) / "tables" / "filters.toml"
        channels = {detector.channel for detector in self.apertures().values()}
        for name, band in load_filters(table).items() if table.is_file() else ():
            assert band.channel in channels
            assert band.background_mjysr > 0
            if named := re.fullmatch(r"F(\d+)[A-Z]\d?", name):
                assert 0.1 < band.photmjsr < 50
                assert band.pivot_micron == pytest.approx(int(named[1]) / 100, rel=0.03)
                assert 0 < band.bandwidth_micron < 0.5 * band.pivot_micron

    def test_there_is_a_quick_look_at_images_of_the_sky_alone(self):
        assert slots(self.instrument, self.image, "image2") == [*WITHOUT_LOOK, "resample"]
        for name in self.single:
            assert self.instrument.pipeline_of(self.imaged(name), "2") == "image2"
            assert slots(self.instrument, name, "image2") == WITHOUT_LOOK, name

    def test_there_is_no_mosaic_of_what_tells_of_the_observatory(self):
        for name in self.observatory:
            told = f"{name} exposures end with stage 2; there is nothing to do at stage 3"
            with pytest.raises(ModeNotSupported, match=told):
                self.instrument.pipeline_of(self.imaged(name), "3")

    def test_pairs_for_wavefront_sensing_make_no_mosaic(self):
        meta = self.imaged(**{"dither.primary_type": "WFSC"})
        assert self.instrument.pipeline_of(meta, "2") == "image2"
        told = r"pairs of images for wavefront sensing at stage 3 \(PATTTYPE is WFSC\)"
        with pytest.raises(ModeNotSupported, match=told):
            self.instrument.pipeline_of(meta, "3")
