"""Whole runs on simulated visits of the spectrometers: cubes, spectra and light curves.

Other software reads them: specutils and astropy know nothing of calcore.
"""

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from calcore import io
from calcore.cli.app import commands
from calcore.cli.pictures import draw
from calcore.errors import Doubtful, ModeNotSupported
from calcore.flags import DQ
from calcore.model import Group
from calcore.model.cube import Cube
from calcore.model.slit import Slit
from calcore.model.spectrum import Spectra, SpectrumSeries
from calcore.run import Status, run, step
from calcore.steps.combination.combine_1d import Combine1d

# astropy says that it has made dates of MJD-BEG and the like.
pytestmark = pytest.mark.filterwarnings("ignore:'datfix' made the change")
COLUMNS = {"POINT": ("FLUX", "FLUX_ERROR", "Jy"), "EXTENDED": ("SURF_BRIGHT", "SB_ERROR", "MJy/sr")}


@pytest.fixture
def made(request):
    """Return what was made of a visit, by mode."""
    return lambda mode: request.getfixturevalue(f"{mode}_products")


@pytest.fixture
def specutils():
    return pytest.importorskip("specutils", reason="specutils is not installed")


def files(made, mode, suffix):
    """Return the files of a suffix that were made of a visit."""
    found = sorted(made(mode)[1].glob(f"*_{suffix}.fits"))
    assert found
    return found


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


@pytest.mark.parametrize(
    ("mode", "types"), [("mrs", {"spec2", "spec3"}), ("lrs_slitless", {"tso3"})]
)
def test_associations_are_those_that_the_simulator_knows(request, tmp_path, mode, types):
    visit = request.getfixturevalue(f"{mode}_visit")
    with pytest.raises(SystemExit, match="0"):
        commands.main(["associate", *map(str, visit.raw), "-o", str(tmp_path), "-q"])

    def products(folder):
        contents = [json.loads(path.read_text()) for path in folder.glob("*_asn.json")]
        return {
            (content["asn_type"], product["name"]): sorted(
                (member["exptype"], Path(member["expname"]).name) for member in product["members"]
            )
            for content in contents
            for product in content["products"]
            if content["asn_type"] in types
        }

    known = products(visit.folder)
    assert known
    assert {key: found for key, found in products(tmp_path).items() if key in known} == known


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


def check(found, table, source_type):
    """Check a spectrum of specutils against a row or a table of ours."""
    value, error, unit = COLUMNS[source_type]
    assert found.spectral_axis.unit == u.um
    assert found.flux.unit == u.Unit(unit)
    assert found.uncertainty.uncertainty_type == "std"
    np.testing.assert_array_equal(found.spectral_axis.value, table["WAVELENGTH"])
    np.testing.assert_array_equal(found.flux.value, table[value])
    np.testing.assert_array_equal(found.uncertainty.array, table[error])


@pytest.mark.parametrize("mode", ["mrs", "lrs_fixedslit"])
def test_specutils_reads_extracted_spectra(specutils, made, mode):
    for path in files(made, mode, "x1d"):
        (own,) = io.open(path).spectra
        found = specutils.Spectrum.read(path)
        check(found, own.table, own.meta["spectrum.source_type"])
        assert found.meta["header"]["FILENAME"] == path.name


def test_specutils_reads_combined_spectra(specutils, made, tmp_path):
    *_, path = files(made, "lrs_fixedslit", "x1d")
    combined = Combine1d()(Group("one", (io.open(path),)))
    (own,) = combined.spectra
    found = specutils.Spectrum.read(io.write(combined, tmp_path / "a_c1d.fits"))
    np.testing.assert_array_equal(found.flux.to_value("Jy"), own.table["FLUX"])
    np.testing.assert_array_equal(found.spectral_axis.to_value("um"), own.table["WAVELENGTH"])
    np.testing.assert_array_equal(found.uncertainty.array, own.table["ERROR"])


def test_specutils_reads_the_spectrum_of_each_integration(specutils, made):
    for path in files(made, "lrs_slitless", "x1dints"):
        (own,) = io.open(path).spectra
        found = specutils.SpectrumList.read(path)
        assert len(found) == len(own.table) > 1
        for one, row in zip(found, own.table, strict=True):
            check(one, row, row["SOURCE_TYPE"])


def test_specutils_reads_rectified_spectra(specutils, made):
    for path in files(made, "lrs_fixedslit", "s2d"):
        own = io.open(path)
        found = specutils.Spectrum.read(path)
        np.testing.assert_array_equal(found.flux.to_value("MJy/sr"), own.data.T)
        # of each row of pixels, which lie across the slit
        np.testing.assert_allclose(
            found.spectral_axis.to_value("um"), own.wavelength[:, own.data.shape[1] // 2], rtol=1e-6
        )


def test_specutils_reads_cubes(specutils, made):
    for path in files(made, "mrs", "s3d"):
        own = io.open(path)
        found = specutils.Spectrum.read(path)
        np.testing.assert_array_equal(found.flux.to_value("MJy/sr"), own.data)
        np.testing.assert_array_equal(found.uncertainty.array, own.err)
        np.testing.assert_array_equal(found.mask, own.dq)
        planes = np.arange(len(own.data))
        wavelength = own.wcs(0 * planes, 0 * planes, planes, with_bounding_box=False)[2]
        np.testing.assert_allclose(found.spectral_axis.to_value("um"), wavelength, rtol=1e-12)


def astropys(path):
    """Return the coordinates that a cube's keywords give, its wavelengths in um."""
    with fits.open(path) as hdus:
        assert hdus["SCI"].header["SPECSYS"] == "BARYCENT"
        return WCS(hdus["SCI"].header, hdus)


def test_astropy_has_the_coordinates_of_cubes(made):
    for path in files(made, "mrs", "s3d"):
        own, header = io.open(path), astropys(path)
        assert header.celestial.wcs.radesys == "ICRS"
        assert header.world_axis_physical_types == ["pos.eq.ra", "pos.eq.dec", "em.wl"]
        # At its corners; of planes that a table tells, at all of which it tells
        corners = np.array(np.meshgrid(*((0.0, n - 1.0) for n in own.data.shape[::-1])))
        corners = corners.reshape(3, -1)
        ra, dec, wavelength = header.all_pix2world(*corners, 0)
        exact = own.wcs(*corners, with_bounding_box=False)
        np.testing.assert_allclose([ra, dec], exact[:2], rtol=0, atol=1e-12)
        microns = u.Unit(header.world_axis_units[2]).to(u.um)
        np.testing.assert_allclose(wavelength * microns, exact[2], rtol=1e-9)


def test_astropy_finds_the_star_of_a_cube_where_it_is(made, mrs_visit):
    (point,) = json.loads((mrs_visit.folder / "truth" / "scene.json").read_text())["points"]
    for path in files(made, "mrs", "s3d"):
        if "_t001_" not in path.name:
            continue
        own, header = io.open(path), astropys(path)
        light = np.nansum(own.data, axis=0)
        row, column = np.unravel_index(np.argmax(light), light.shape)
        x, y = header.celestial.world_to_pixel_values(point["ra_deg"], point["dec_deg"])
        assert np.hypot(x - column, y - row) < 1.5


@pytest.mark.parametrize(
    ("mode", "suffix"), [("mrs", "ch1-short_s3d"), ("lrs_fixedslit", "t001_miri_p750l_s2d")]
)
def test_a_single_step_goes_on_from_cubes_and_rectified_spectra(
    made, request, within_references, tmp_path, mode, suffix
):
    *_, path = files(made, mode, suffix)
    with within_references(request.getfixturevalue(f"{mode}_visit")):
        (outcome,) = step("extract_1d", path, output=tmp_path).products
        (again,) = step("combine_1d", path.with_name(f"{path.stem[:-3]}x1d.fits"),
                        output=tmp_path).products  # fmt: skip
    (before,) = io.open(path.with_name(f"{path.stem[:-3]}x1d.fits")).spectra
    (spectrum,) = io.open(outcome.files[0]).spectra
    assert list(spectrum.table.dtype.names) == list(before.table.dtype.names)
    np.testing.assert_array_equal(spectrum.table["DQ"], before.table["DQ"])
    for name in ("WAVELENGTH", "FLUX", "FLUX_ERROR", "SURF_BRIGHT"):  # files hold single precision
        np.testing.assert_allclose(spectrum.table[name], before.table[name], rtol=2e-6)
    (combined,) = io.open(again.files[0]).spectra
    same = np.searchsorted(before.table["WAVELENGTH"], combined.table["WAVELENGTH"] - 1e-9)
    np.testing.assert_allclose(combined.table["FLUX"], before.table["FLUX"][same])


# Bad input: each gets one sentence, and no product that is wrong.

SHORT = {"cube_build.wavemin": 5.6, "cube_build.wavemax": 5.7}  # of channel 1 a part


@pytest.fixture
def combine(made, request, within_references, tmp_path):
    """Return a function: have what stage 2 made of a visit combined, one exposure changed before."""

    def run_it(mode, *, change=None, members=1, kind="spec3", background=None, **options):
        suffix = "calints" if mode == "lrs_slitless" else "cal"
        sources = [path for path in files(made, mode, suffix) if "jw01234001" in path.name]
        sources = [*sources[:members], *([background] if background else [])]
        listed = []
        for path in sources:
            with fits.open(path, memmap=False) as file:
                if change is not None and path is sources[0]:
                    change(file)
                file.writeto(tmp_path / path.name)
            role = "background" if path is background else "science"
            listed.append({"expname": path.name, "exptype": role})
        content = {"asn_type": kind, "asn_rule": "own", "asn_id": "o001"}
        content["products"] = [{"name": "own", "members": listed}]
        (tmp_path / "own_asn.json").write_text(json.dumps(content))
        with within_references(request.getfixturevalue(f"{mode}_visit")):
            return run(tmp_path / "own_asn.json", stage="3", output=tmp_path / "out", **options)

    return run_it


def nothing(file):
    file["SCI"].data[...] = np.nan


def keyword(name, value):
    return lambda file: next(e for e in file if name in e.header).header.set(name, value)


# Mode, what is done to the exposure or asked for, and what is said.
REFUSED = {
    "another pipeline": (
        "mrs", {"pipeline": "calwebb_tso3"},
        "the pipeline tso3 is for MIR_LRS-SLITLESS, and MIR_MRS exposures go through spec3",
    ),
    "no integrations": ("lrs_fixedslit", {"pipeline": "tso3"}, "leave out --pipeline"),
    "another association": ("mrs", {"kind": "tso3"}, "asn_type is tso3, which asks for"),
    "another type": (
        "mrs", {"change": keyword("EXP_TYPE", "MIR_WFSS")}, "no stage-3 pipeline for MIR_WFSS",
    ),
    "no such band": (
        "mrs", {"change": keyword("BAND", "SHORTISH")},
        "BAND is 'SHORTISH', but must be SHORT, MEDIUM or LONG",
    ),
    "no cubepar": (
        "mrs", {"references": {"cubepar": "N/A"}},
        "cube_build cannot work without a cubepar reference",
    ),
    "no pixel": (
        "mrs", {"change": nothing},
        "no usable pixel falls into the cube of ch1-short or ch2-short: all are NaN or flagged",
    ),
    "other wavelengths": (
        "mrs", {"settings": {"cube_build.wavemin": 30.0, "cube_build.wavemax": 31.0}},
        "wavemin is 30.0 and wavemax 31.0 um, but a cube would be of 4.9 to 5.74 um; choose among these",
    ),
    "other channel": (
        "mrs", {"settings": {"cube_build.channel": "4"}}, "they are of 12 short; choose among these",
    ),
    "no light in a slit": ("lrs_fixedslit", {"change": nothing}, "there is nothing to combine"),
    "no light of a series": (
        "lrs_slitless", {"kind": "tso3", "change": nothing}, "no integration has any flux",
    ),
    "no axis": (
        "lrs_fixedslit", {"change": keyword("DISPAXIS", 3)}, "DISPAXIS is 3, but must be 1 (x) or 2",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:no pixel of the aperture")
@pytest.mark.parametrize("defect", REFUSED)
def test_what_cannot_be_combined_is_said_in_a_sentence(combine, defect):
    mode, asked, said = REFUSED[defect]
    (outcome,) = combine(mode, **asked).products
    assert outcome.status is Status.FAILED
    assert said in outcome.reason
    assert "unexpected" not in outcome.reason


def test_a_background_of_another_band_is_not_subtracted(made, combine, tmp_path):
    *_, source = (path for path in files(made, "mrs", "x1d") if "jw01234002" in path.name)
    path = tmp_path / "other" / source.name
    path.parent.mkdir()
    with fits.open(source, memmap=False) as file:
        file["EXTRACT1D"].data["WAVELENGTH"] += 40
        file.writeto(path)
    again = {"master_background.force_subtract": True}
    (outcome,) = combine("mrs", background=path, settings=again).products
    assert "no pixel of" in outcome.reason
    assert "name background members of the same bands" in outcome.reason


def test_one_dither_and_empty_slices_are_combined(combine, tmp_path):
    """What is missing is NaN and flagged; a cube whose wavelengths were not asked for is left out."""

    def slices(file):
        file["SCI"].data[:, 40:80] = np.nan

    expected = "leave nothing of ch2-short|no pixel is usable, .* in slice 121 of "
    with pytest.warns(Doubtful, match=expected) as told:
        (outcome,) = combine("mrs", change=slices, settings=SHORT).products
    assert len({str(one.message) for one in told}) == 2
    assert not list((tmp_path / "out").glob("*_ch2-*"))
    assert outcome.status is Status.COMPLETE
    (skipped,) = (slot for slot in outcome.slots if slot.name == "outlier_detection")
    assert "at least two exposures" in skipped.reason
    cube = io.open(next((tmp_path / "out").glob("*_ch1-short_s3d.fits")))
    unseen = np.isnan(cube.data)
    np.testing.assert_array_equal(unseen, (cube.dq & DQ.NON_SCIENCE) != 0)
    assert 0 < unseen.mean() < 1


def test_without_apertures_cubes_are_made_and_no_spectra(combine, tmp_path):
    with pytest.warns(Doubtful, match="ch2-short"):
        (outcome,) = combine("mrs", settings=SHORT, references={"extract1d": "N/A"}).products
    reasons = {slot.name: slot.reason for slot in outcome.slots}
    assert outcome.status is Status.COMPLETE
    assert "no extract1d reference" in reasons["extract_1d"]
    assert reasons["spectral_leak"].startswith("extract_1d is left out")
    assert not list((tmp_path / "out").glob("*_x1d.fits"))


def test_an_exposure_that_is_cut_short_is_named(made, combine, tmp_path):
    (path, *_) = files(made, "lrs_fixedslit", "cal")
    combine("lrs_fixedslit")
    own = tmp_path / path.name
    own.write_bytes(own.read_bytes()[:-500000])
    first, second = run(tmp_path / "own_asn.json", stage="3", output=tmp_path / "again").products
    assert "its headers promise" in first.reason
    assert f"member {path.name} cannot be used" in second.reason


def test_a_calibrated_exposure_alone_is_told_which_pipeline_it_goes_through(made):
    (path, *_) = files(made, "mrs", "cal")
    with pytest.raises(ModeNotSupported, match="MIR_MRS exposures go through spec3"):
        run(path, pipeline="tso3")


TRACED = {"adaptive_trace_model.skip": False}


def test_models_of_traces_take_the_beat_out_of_single_spaxels(made, combine, tmp_path):
    """Stage 3 of one dither, on pixels half as long: spectra of the brightest spaxel beat far less."""
    settings = TRACED | {"adaptive_trace_model.oversample": 2.0, "cube_build.channel": "1"}
    (outcome,) = combine("mrs", settings=settings).products
    assert outcome.status is Status.COMPLETE
    (plain,) = made("mrs")[1].glob("*_ch1-short_s3d.fits")
    (finer,) = (tmp_path / "out").glob("*_ch1-short_s3d.fits")
    beats = []
    for path in (plain, finer):
        cube = io.open(path)
        data = np.asarray(cube.data, np.float64)[10:-10]
        y, x = np.unravel_index(np.nansum(data, axis=0).argmax(), data.shape[1:])
        line, plane = data[:, y, x], np.arange(len(data))
        known = np.isfinite(line)
        smooth = np.polyval(np.polyfit(plane[known], line[known], 4), plane)
        # The median of departures passes over lines of emission.
        beats.append(np.median(np.abs(line / smooth - 1)[known]))
        assert cube.meta["cal_step.adaptive_trace_model"] == (
            "COMPLETE" if path is finer else "SKIPPED"
        )
    assert beats[1] < beats[0] / 3


@pytest.mark.parametrize(("mode", "kind"), [("lrs_fixedslit", "spec3"), ("lrs_slitless", "tso3")])
def test_bad_pixels_are_filled_from_models_of_traces(combine, mode, kind):
    """Models are made in stage 3, of nods and of series, and bad pixels take them."""
    settings = TRACED | {
        "adaptive_trace_model.slope_limit": 0.02, "pixel_replace.skip": False,
        "pixel_replace.algorithm": "trace_model",
    }  # fmt: skip
    (outcome,) = combine(mode, kind=kind, members=2, settings=settings).products
    assert outcome.status is Status.COMPLETE
    done = {slot.name: slot for slot in outcome.slots}
    for name in ("adaptive_trace_model", "pixel_replace"):
        assert done[name].status is Status.COMPLETE, name
