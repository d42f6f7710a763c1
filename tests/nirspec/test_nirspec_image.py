"""Images of NIRSpec, and of its lamps, from raw exposures through stage 2."""

import pytest
from astropy.io import fits

from calcore.errors import ModeNotSupported
from calcore.model import Meta
from calcore.run import Status, run
from calcore.simulate import VisitOptions, simulate
from calcore_nirspec import INSTRUMENT
from calcore_nirspec.simulate import SIMULATION


def products(mode, folder, monkeypatch, **options):
    made = simulate(
        SIMULATION, folder / "raw",
        VisitOptions(mode=mode, size="small", n_groups=3, truth=False, seed=3, **options),
    )  # fmt: skip
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return folder / "raw"


def test_an_image_of_the_sky_stays_in_counts(tmp_path, monkeypatch):
    raw = products("image", tmp_path, monkeypatch)
    result = run(raw, output=tmp_path)
    assert [(one.pipeline, one.status) for one in result.products] == [
        ("detector1", Status.COMPLETE), ("image2", Status.COMPLETE),
    ]  # fmt: skip
    (path,) = tmp_path.glob("*_cal.fits")
    with fits.open(path) as file:
        header = file[0].header
        assert (header["S_WCS"], header["S_PHOTOM"]) == ("COMPLETE", "SKIPPED")
        assert "S_RESAMP" not in header
        assert header["R_DISPER"].startswith("crds://jwst_nirspec_disperser_")
        assert {header[name] for name in ("R_MSA", "R_DISTOR", "R_PHOTOM")} == {"N/A"}
        assert file["SCI"].header["BUNIT"] == "DN/s"
        assert file["SCI"].header["S_REGION"].startswith("POLYGON")


def test_masks_of_slits_come_from_references_and_the_product_says_so(tmp_path, monkeypatch):
    raw = products("fixed_slit", tmp_path, monkeypatch, detectors=["NRS1"])
    flicker = {"skip": False, "mask_science_regions": True, "save_mask": True}
    settings = {f"clean_flicker_noise.{name}": value for name, value in flicker.items()}
    result = run(raw, output=tmp_path, stage="1", settings=settings)
    assert [one.status for one in result.products] == [Status.COMPLETE]
    (path,) = tmp_path.glob("*_mask.fits")
    usable = fits.getdata(path, "SCI")
    assert 0.2 < (usable == 0).mean() < 0.99
    (rate,) = tmp_path.glob("*_rate.fits")
    assert fits.getval(rate, "R_MSA").startswith("crds://jwst_nirspec_msa_")


def test_spectra_have_no_second_stage_yet():
    lamp = {"instrument.detector": "NRS1", "exposure.type": "NRS_LAMP"}
    image = Meta({**lamp, "instrument.grating": "MIRROR"})
    assert INSTRUMENT.pipeline_of(image, "2") == "image2"
    spectra = Meta({**lamp, "instrument.grating": "G140M"})
    assert INSTRUMENT.pipeline_of(spectra, "1") == "detector1"
    with pytest.raises(ModeNotSupported, match="does not calibrate spectra at stages 2 and 3"):
        INSTRUMENT.pipeline_of(spectra, "2")
