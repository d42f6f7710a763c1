"""Whole runs on simulated visits of the spectrometers: cubes, spectra and light curves."""

import json

import numpy as np
import pytest
from astropy.table import Table

from calcore import io
from calcore.cli.pictures import draw
from calcore.model.cube import Cube
from calcore.model.slit import Slit
from calcore.model.spectrum import Spectra, SpectrumSeries


@pytest.fixture
def made(request):
    """Return what was made of a visit, by mode."""
    return lambda mode: request.getfixturevalue(f"{mode}_products")


def spectrum_of(visit):
    """Return the truth of the visit's point source, flux [Jy] by wavelength [um]."""
    scene = json.loads((visit.folder / "truth" / "scene.json").read_text())
    (point,) = scene["points"]
    told = point["spectrum"]
    lines = np.array([line["wavelength_um"] for line in told["lines"]])

    def flux(wavelength):
        away = np.abs(wavelength[:, None] - lines).min(axis=1, initial=np.inf)
        found = told["flux_jy"] * (wavelength / told["reference_um"]) ** told["slope"]
        return np.where(away < 0.01, np.nan, found)

    return flux


@pytest.mark.parametrize("mode", ["mrs", "lrs_fixedslit", "lrs_slitless"])
def test_all_stages_make_what_was_planned(made, mode):
    planned, folder, result = made(mode)
    assert [outcome.reason for outcome in result.products if outcome.reason] == []
    there = {path for path in folder.iterdir() if path.suffix in {".fits", ".ecsv"}}
    told = {path for product in planned for path in product.outputs}
    assert there <= told
    left = {path.stem.rpartition("_")[2] for path in told - there}
    assert left <= {"crf", "crfints"}  # of a single exposure, or integration, nothing is an outlier


def test_cubes_and_spectra_of_bands_have_names_of_their_own(made, mrs_visit):
    _, folder, _ = made("mrs")
    flux = spectrum_of(mrs_visit)
    for channel in (1, 2):
        (path,) = folder.glob(f"*_ch{channel}-short_s3d.fits")
        cube = io.open(path)
        assert isinstance(cube, Cube)
        assert cube.meta["filename"] == path.name
        assert cube.wavetable is None
        (path,) = folder.glob(f"*_ch{channel}-short_x1d.fits")
        found = io.open(path)
        assert isinstance(found, Spectra)
        (spectrum,) = found.spectra
        assert np.diff(spectrum.table["WAVELENGTH"]).min() > 0
        ratio = spectrum.table["FLUX"] / flux(spectrum.table["WAVELENGTH"])
        assert np.nanmedian(ratio) == pytest.approx(1, abs=0.02)  # one dither


def test_a_quick_look_has_all_channels_in_one_cube(made):
    _, folder, _ = made("mrs")
    for path in folder.glob("*_mirifushort_s3d.fits"):
        cube = io.open(path)
        wavelengths = cube.wavetable["wavelength"].ravel()
        assert len(wavelengths) == cube.data.shape[0]
        assert wavelengths[0] < 5 < 8.7 < wavelengths[-1]
    (path,) = folder.glob("*001001*_mirifushort_x1d.fits")
    assert np.isfinite(io.open(path).spectra[0].table["FLUX"]).sum() > 1000


def test_a_calibrated_exposure_flows_past_its_quick_look(made):
    _, folder, result = made("mrs")
    slots = {outcome.name: [slot.name for slot in outcome.slots]
             for outcome in result.products if outcome.pipeline == "spec2"}  # fmt: skip
    assert all(names[-2:] == ["cube_build", "extract_1d"] for names in slots.values())
    for path in folder.glob("*_cal.fits"):
        assert io.open_lazy(path).meta["cal_step.photom"] == "COMPLETE"


def test_nods_along_the_slit_are_combined(made, lrs_fixedslit_visit):
    _, folder, _ = made("lrs_fixedslit")
    (path,) = folder.glob("*_t001_*_x1d.fits")
    (spectrum,) = io.open(path).spectra
    wavelength = spectrum.table["WAVELENGTH"]
    assert np.diff(wavelength).min() > 0
    ratio = spectrum.table["FLUX"] / spectrum_of(lrs_fixedslit_visit)(wavelength)
    middle = (wavelength > 6) & (wavelength < 10)
    assert np.nanmedian(ratio[middle]) == pytest.approx(1, abs=0.02)
    (rectified,) = folder.glob("*_t001_*_s2d.fits")
    assert isinstance(io.open(rectified), Slit)


def test_a_time_series_has_a_spectrum_of_each_integration_and_a_light_curve(made):
    _, folder, _ = made("lrs_slitless")
    (path,) = folder.glob("*_t001_*_x1dints.fits")
    series = io.open(path)
    assert isinstance(series, SpectrumSeries)
    (one,) = series.spectra
    integrations = series.meta["exposure.nints"]
    assert one.table["INT_NUM"].tolist() == list(range(1, integrations + 1))
    curve = Table.read(next(folder.glob("*_whtlt.ecsv")), format="ascii.ecsv")
    assert len(curve) == integrations
    assert not list(folder.glob("*_x1d.fits"))


def test_every_spectral_product_has_a_picture(made):
    _, folder, _ = made("lrs_slitless")
    files = [path for path in folder.glob("*.fits") if "x1d" in path.name]
    assert all(len(pictures) == 1 for pictures in draw(files).values())
    assert len(draw(files)) == len(files)
