"""Simulated exposures of MIRI's spectrographs: files, references, and the truth found again."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import BadParameter, UnknownName
from calcore.io import open_reference
from calcore.io.keywords import name_of
from calcore.model import Group, Image, Meta
from calcore.model.reference import (
    ApertureCorrection,
    CubeApertureCorrection,
    CubeApertures,
    Distortion,
    Flat,
    SlitApertures,
)
from calcore.registry import discovery
from calcore.simulate import Effects, VisitOptions, simulate
from calcore.simulate.headers import primary_keywords, science_keywords
from calcore.simulate.spectral_scene import read_spectral_scene
from calcore.simulate.visit_plan import VisitPlan
from calcore.steps.calibration.extract_cube import ExtractCube
from calcore.steps.calibration.extract_slit import ExtractSlit
from calcore_miri.references import (
    CubeParameters,
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
    SlitLossMap,
    SlitTrace,
)
from calcore_miri.simulate import SIMULATION, slicers
from calcore_miri.simulate.spectrometer import resolving_power, sensitivity_left
from calcore_miri.steps.assign_slit_wcs import AssignSlitWcs
from calcore_miri.steps.assign_wcs import AssignWcs
from calcore_miri.steps.cube_build import CubeBuild
from calcore_miri.steps.slit_loss import SlitLoss

CALM = Effects.none()
KINDS = {"distortion": SlicerDistortion, "specwcs": SlicerWavelengths, "regions": SlicerRegions,
         "wavelengthrange": SlicerRanges, "cubepar": CubeParameters}  # fmt: skip
SQUARE_ARCSEC = np.radians(1 / 3600) ** 2


def associations(folder):
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*_asn.json"))]
    return {(one["asn_type"], one["products"][0]["name"]): [
        (member["expname"], member["exptype"]) for member in one["products"][0]["members"]
    ] for one in found}  # fmt: skip


def file_of(visit, kind):
    return next((visit.folder / "crds_cache" / "references" / "jwst" / "miri").glob(
        f"jwst_miri_{kind}_0001.*"))  # fmt: skip


def test_each_exposure_and_their_background_make_associations(mrs_visit):
    science, beside = (f"jw0123400{n}001_02101_00001_mirifushort" for n in (1, 2))
    assert [path.name for path in mrs_visit.raw] == [
        f"{science}_uncal.fits", f"{beside}_uncal.fits"
    ]  # fmt: skip
    assert associations(mrs_visit.folder) == {
        ("spec2", science): [(f"{science}_rate.fits", "science"), (f"{beside}_rate.fits", "background")],
        ("spec2", beside): [(f"{beside}_rate.fits", "science")],
        ("spec3", "jw01234-o001_t001_miri"): [
            (f"{science}_cal.fits", "science"), (f"{beside}_x1d.fits", "background")
        ],
    }  # fmt: skip


def test_headers_say_what_was_looked_at(mrs_visit):
    science, beside = (fits.getheader(path) for path in mrs_visit.raw)
    for name, value in {"BAND": "SHORT", "CHANNEL": "12", "EXP_TYPE": "MIR_MRS"}.items():
        assert science[name] == beside[name] == value, name
    assert (science["BKGDTARG"], science["SRCTYAPT"]) == (False, "POINT")
    assert (beside["BKGDTARG"], beside["SRCTYAPT"]) == (True, "EXTENDED")
    assert (beside["TARG_DEC"] - science["TARG_DEC"]) * 3600 == pytest.approx(90)
    assert fits.getheader(mrs_visit.raw[0], "SCI")["VELOSYS"] == 30000.0


def test_nods_are_each_others_background(lrs_fixedslit_visit):
    made = associations(lrs_fixedslit_visit.folder)
    first, second = (f"jw01234001001_02101_0000{n}_mirimage" for n in (1, 2))
    assert made["spec2", first] == [
        (f"{first}_rate.fits", "science"), (f"{second}_rate.fits", "background")
    ]  # fmt: skip
    assert len(made["spec3", "jw01234-o001_t001_miri_p750l"]) == 2
    header = fits.getheader(lrs_fixedslit_visit.raw[0])
    assert (header["XOFFSET"], header["PPS_APER"]) == (0.94, "MIRIM_SLIT")


def test_time_series_make_their_own_associations(lrs_slitless_visit):
    root = "jw01234001001_02101_00001_mirimage"
    assert associations(lrs_slitless_visit.folder) == {
        ("tso-spec2", root): [(f"{root}_rateints.fits", "science")],
        ("tso3", "jw01234-o001_t001_miri_p750l-slitlessprism"): [
            (f"{root}_calints.fits", "science")
        ],
    }
    assert fits.getheader(lrs_slitless_visit.raw[0])["TSOVISIT"]


SPECTRAL = {
    "mrs": {"distortion", "specwcs", "regions", "wavelengthrange", "flat", "photom", "fringe",
            "fringefreq", "mrsxartcorr", "mrsptcorr", "cubepar", "extract1d", "apcorr"},
    "lrs-fixedslit": {"distortion", "filteroffset", "specwcs", "flat", "photom", "extract1d",
                      "apcorr", "pathloss", "psf"},
    "lrs-slitless": {"distortion", "filteroffset", "specwcs", "flat", "photom", "extract1d",
                     "apcorr", "psf"},
}  # fmt: skip


@pytest.mark.parametrize("mode", SPECTRAL)
def test_the_cache_has_what_stages_2_and_3_ask_for(request, mode):
    visit = request.getfixturevalue(f"{mode.replace('-', '_')}_visit")
    listed = visit.folder / "crds_cache" / "config" / "jwst" / "miri_entries.json"
    types = {row["type"] for row in json.loads(listed.read_text())}
    assert types >= SPECTRAL[mode]
    assert not types & {"area", "abvegaoffset"}


def test_truth_tells_sources_and_what_pixels_see(mrs_visit):
    scene = read_spectral_scene(mrs_visit.folder / "truth" / "scene.json")
    (point,) = scene.points
    assert len(point.spectrum.lines) == 24
    told = json.loads((mrs_visit.folder / "truth" / "scene.json").read_text())["notes"]
    assert told["velocity_km_s"] == 30.0
    assert told["fwhm_arcsec"] == [0.106, 0.033]
    first, second = sorted((mrs_visit.folder / "truth").glob("*_truth.fits"))
    with fits.open(first) as hdus:
        seen, beneath = hdus["SURF_BRIGHT"].data, hdus["BACKGROUND"].data
        waves, rate = hdus["WAVELENGTH"].data, hdus["RATE_DN"].data
    assert seen.max() > 1000 > beneath.max()
    assert 4.8 < np.nanmin(waves) < 4.9
    assert 8.77 < np.nanmax(waves) < 8.9
    assert np.isfinite(rate).all()
    assert (rate[:, :4] == 0).all()
    with fits.open(second) as hdus:
        np.testing.assert_array_equal(hdus["SURF_BRIGHT"].data, hdus["BACKGROUND"].data)


@pytest.mark.parametrize("band", slicers.BANDS)
@pytest.mark.parametrize("detector", ["MIRIFUSHORT", "MIRIFULONG"])
def test_slices_of_all_bands(detector, band):
    """As many slices as published, side by side, and all wavelengths of the band on the detector."""
    made = slicers.slicer_in_short(detector, band)
    counts = {1: 21, 2: 17, 3: 16, 4: 12}
    for field in made.fields:
        own = [part for part in made.slices if part.number // 100 == field.number]
        assert len(own) == counts[field.number]
        low, high = slicers.channel(field.number)["band"][band]["range"]
        for part in (own[0], own[len(own) // 2], own[-1]):
            wave, alpha = np.array([low, high, low, high]), np.array([-1, -1, 1, 1]) * 0.9
            alpha = alpha * field.half_length
            x, y = part.x(wave, alpha), part.y(wave, alpha)
            assert ((y > 0) & (y < 1023)).all()
            assert ((x > 4) & (x < 1027)).all()
            np.testing.assert_allclose(part.wavelength(y, x), wave, rtol=0, atol=2e-5)
            np.testing.assert_allclose(part.alpha(y, x), alpha, atol=2e-3)
        places = np.sort([float(part.x(np.mean([low, high]), 0.0)) for part in own])
        assert (
            np.diff(places).min()
            > 2 * field.half_length / slicers.channel(field.number)["pixel_arcsec"]
        )


def exposures(folder, options, detector="MIRIFUSHORT", kinds=()):
    """Return count rates without noise as images, what the simulator knows of them, and references."""
    plan = VisitPlan(SIMULATION, replace(options, detectors=(detector,)))
    seen = next(iter(plan.spectrographs.values()))
    scene = seen.scene(options.source, options.sky, options.target)
    (device,) = plan.detectors
    physics = SIMULATION.physics(device.name)
    instrument = discovery.instrument("MIRI")
    files = {}
    for kind, row in SIMULATION.references(plan.mode).items():
        if kind in kinds:
            setup = plan.setup(device, None, physics, plan.takes[0])
            suffix = row.get("extension", "fits")
            files[kind] = folder / f"{kind}.{suffix}"
            seen.makers[row["kind"]](replace(setup, table={**row, "type": kind}), files[kind])
    images = []
    for take in (take for take in plan.takes if not take.background):
        made = seen.image(
            scene, plan.geometry(device, take), mid_mjd=61100.0, gain=4.0,
            velocity_km_s=plan.velocity_km_s, effects=options.effects,
        )  # fmt: skip
        facts = plan.facts(device, take, physics, None)
        words = ((primary_keywords(facts), "PRIMARY"), (science_keywords(facts), "SCI"))
        known = {
            name: value
            for cards, hdu in words
            for key, value, _ in cards
            if (name := name_of(key, hdu))
        }
        meta = Meta(known).with_facts(instrument.facts(Meta(known)))
        data = (made.rate / 4.0).astype(np.float32)
        ones = np.ones_like(data)
        image = Image(meta=meta, data=data, err=ones, dq=np.zeros(data.shape, np.uint32))
        images.append((image, made))
    return scene, images, files


@lru_cache(maxsize=len(KINDS))
def opened(path, kind):
    return open_reference(path, KINDS[kind])


def with_coordinates(image, files):
    given = {name: opened(files[name], name) for name in list(KINDS)[:4]}
    return AssignWcs()(image, **given)


def calibrated(image, files):
    by = fits.getdata(files["photom"], "SCI")
    return with_coordinates(
        image.replace(
            data=(image.data * by).astype(np.float32), meta=image.meta.set({"bunit_data": "MJy/sr"})
        ),
        files,
    )


def cube_of(images, files, channel, **limits):
    group = Group("p", tuple(calibrated(image, files) for image, _ in images))
    step = CubeBuild(channel=channel, **limits)
    (cube,) = step(group, cubepar=open_reference(files["cubepar"], KINDS["cubepar"])).parts.values()
    planes = np.arange(cube.data.shape[0])
    waves = cube.meta["wcsinfo.crval3"] + cube.meta["wcsinfo.cdelt3"] * planes
    return cube, waves


def found_again(scene, cube, waves, number):
    """Return offset of the place [arcsec], flux over the true one, and of a line, in its widths."""
    (point,) = scene.points
    light = cube.data - scene.background.continuum(waves)[:, None, None]
    y, x = np.mgrid[: light.shape[1], : light.shape[2]]
    white = np.nan_to_num(light).mean(axis=0)
    white[white < 0.02 * white.max()] = 0
    at = [(white * place).sum() / white.sum() for place in (x, y)]
    ra, dec, _ = cube.wcs(*at, waves[0])
    away = np.hypot((ra - point.ra_deg) * np.cos(np.radians(dec)), dec - point.dec_deg) * 3600
    side = cube.meta["wcsinfo.cdelt1"] * 3600
    flux = np.nansum(light, axis=(1, 2)) * side**2 * SQUARE_ARCSEC * 1e6
    power, half = resolving_power(number, "SHORT", waves), (waves[1] - waves[0]) / 2
    ratio = flux / point.spectrum.mean(waves - half, waves + half, power)
    (line,) = [
        one for one in point.spectrum.lines if waves[20] < one.wavelength_um < waves[-20]
    ]  # fmt: skip
    width = line.wavelength_um / float(np.interp(line.wavelength_um, waves, power))
    circle = np.hypot(x - at[0], y - at[1]) * side < 0.3
    near = np.abs(waves - line.wavelength_um) < 1.5 * width
    own = np.nansum(light[:, circle], axis=1)
    own = own[near] - np.interp(waves[near], waves[[5, -5]], own[[5, -5]])
    centre = (own * waves[near]).sum() / own.sum()
    return away, np.median(ratio), (centre - line.wavelength_um) / width


def test_a_point_source_is_found_again_in_a_cube(tmp_path):
    """Wavelengths of the barycentre: those of the detector are 0.3 widths longer."""
    options = VisitOptions(mode="mrs", effects=CALM, n_dithers=2)
    kinds = (*KINDS, "photom", "extract1d", "apcorr")
    scene, images, files = exposures(tmp_path, options, kinds=kinds)
    cube, waves = cube_of(images, files, "1", wavemin=5.12, wavemax=5.18)
    away, flux, shift = found_again(scene, cube, waves, 1)
    assert away < 0.01
    assert flux == pytest.approx(1.0, abs=2e-3)
    assert abs(shift) < 0.02
    told = {"target.source_type": "POINT", "target.ra": scene.ra_deg, "target.dec": scene.dec_deg}
    spectrum = (
        ExtractCube()(
            cube.replace(meta=cube.meta.set(told)),
            extract1d=open_reference(files["extract1d"], CubeApertures),
            apcorr=open_reference(files["apcorr"], CubeApertureCorrection),
        )
        .spectra[0]
        .table
    )
    half, power = (waves[1] - waves[0]) / 2, resolving_power(1, "SHORT", waves)
    expected = scene.points[0].spectrum.mean(waves - half, waves + half, power)
    assert np.nanmedian(spectrum["FLUX"] / expected) == pytest.approx(1.0, abs=2e-3)


def test_uniform_light_is_found_again(tmp_path):
    options = VisitOptions(mode="mrs", effects=CALM, source="uniform", n_dithers=1)
    scene, images, files = exposures(tmp_path, options, "MIRIFULONG", (*KINDS, "photom"))
    image = calibrated(images[0][0], files)
    world = image.wcs.world()
    ratio = image.data / scene.background.continuum(world[2])
    seen = np.isfinite(world[2])
    assert np.isfinite(image.data[seen]).all()
    np.testing.assert_allclose(ratio[seen], 1.0, rtol=2e-3)
    truth = images[0][1].planes["WAVELENGTH"][0]
    np.testing.assert_allclose(world[2][seen], truth[seen], atol=1e-6)


def test_effects_are_what_references_say(tmp_path):
    options = VisitOptions(mode="mrs", n_dithers=1, effects=CALM)
    (_, ((plain, _),), _), (_, ((waves, _),), files) = (
        exposures(tmp_path, replace(options, effects=effects), kinds=("fringe", "photom"))
        for effects in (CALM, Effects.only("fringes"))
    )
    lit = plain.data > 0.5
    fringes = fits.getdata(files["fringe"], "SCI")
    np.testing.assert_allclose(waves.data[lit] / plain.data[lit], fringes[lit], rtol=1e-5)
    assert np.ptp(fringes) > 0.2
    _, ((aged, _),), files = exposures(
        tmp_path, replace(options, effects=Effects.only("ageing")), kinds=["photom"]
    )
    table = fits.getdata(files["photom"], "TIMECOEFF_POWERLAW_CH1")
    assert list(table["binwave"]) == [4.0, 9.0]
    left = sensitivity_left(1, np.array([5.0]), 61100.0)[0]
    power = ((61100 - 59700 + 30) / 395) ** table["alpha"] * table["year1value"]
    assert left == pytest.approx(np.interp(5.0, table["binwave"], power), rel=1e-6)
    assert np.median(aged.data[lit] / plain.data[lit]) == pytest.approx(left, rel=0.02)
    _, ((stray, made),), _ = exposures(
        tmp_path, replace(options, effects=Effects.only("stray_light"))
    )
    scattered = made.planes["STRAY_DN"][0]
    np.testing.assert_allclose(stray.data - plain.data, scattered, atol=1e-4)
    between = (plain.data == 0) & (scattered != 0)
    assert between.sum() > 1e5
    assert (scattered[between] > 0).all()
    assert 0.01 < scattered.sum() / plain.data.sum() < 0.1


def test_another_order_leaks_into_the_first_band_of_channel_3(tmp_path):
    found = []
    for name, effects in (("plain", CALM), ("more", Effects.only("leak"))):
        (folder := tmp_path / name).mkdir()
        options = VisitOptions(mode="mrs", n_dithers=1, effects=effects)
        found.append(exposures(folder, options, "MIRIFULONG", ["mrsptcorr"]))
    plain, more = found
    waves = more[1][0][1].planes["WAVELENGTH"][0]
    before, after = (part[1][0][0].data for part in found)
    middle = np.abs(waves - 12.2) < 0.05
    assert (after[middle] > before[middle]).all()
    far = waves > 14
    np.testing.assert_array_equal(after[far], before[far])
    leaks = fits.getdata(more[2]["mrsptcorr"], "LEAKCOR")
    assert leaks["frac_leak"].max() == pytest.approx(0.025, rel=1e-2)
    assert not fits.getdata(plain[2]["mrsptcorr"], "LEAKCOR")["frac_leak"].any()


@pytest.mark.parametrize("mode", ["lrs-fixedslit", "lrs-slitless"])
def test_a_spectrum_of_the_prism_is_found_again(tmp_path, request, mode):
    visit = request.getfixturevalue(f"{mode.replace('-', '_')}_visit")
    options = VisitOptions(mode=mode, effects=CALM)
    kinds = ("photom", "specwcs", "pathloss", "extract1d", "apcorr")
    scene, images, files = exposures(tmp_path, options, "MIRIMAGE", kinds)
    (point,) = scene.points
    row = fits.getdata(files["photom"], "PHOTOM")[0]
    told = {
        "target.source_type": "POINT", "bunit_data": "MJy/sr",
        "photometry.pixelarea_steradians": fits.getheader(files["photom"])["PIXAR_SR"],
    }  # fmt: skip
    for image, made in images:
        slit = AssignSlitWcs()(
            image, distortion=open_reference(file_of(visit, "distortion"), Distortion),
            specwcs=open_reference(files["specwcs"], SlitTrace),
        )  # fmt: skip
        # The reference's curve is that of the detector, which recedes.
        by = np.interp(
            slit.wavelength * 1.0001, row["wavelength"], row["photmjsr"] * row["relresponse"]
        )
        light = (image.data * by).astype(np.float32)
        if mode == "lrs-fixedslit":  # as the other nod does
            light -= made.planes["BACKGROUND"][0].astype(np.float32)
        slit = slit.replace(data=light, meta=slit.meta.set(told))
        if mode == "lrs-fixedslit":
            slit = SlitLoss()(slit, pathloss=open_reference(files["pathloss"], SlitLossMap))
        spectrum = ExtractSlit(use_source_posn=mode == "lrs-fixedslit")(
            slit, extract1d=open_reference(files["extract1d"], SlitApertures),
            apcorr=open_reference(files["apcorr"], ApertureCorrection),
        ).spectra[0].table  # fmt: skip
        waves = spectrum["WAVELENGTH"]
        lines = [np.abs(waves - line.wavelength_um) for line in point.spectrum.lines]
        free = (waves > 5) & (waves < 13) & (np.min(lines, axis=0) > 0.5)
        ratio = (spectrum["FLUX"] / point.spectrum.continuum(waves))[free]
        np.testing.assert_allclose(ratio, 1.0, rtol=5e-3)
        assert np.median(ratio) == pytest.approx(1.0, abs=1e-3)
        middle = int(np.argmin(np.abs(np.nan_to_num(slit.wavelength).max(axis=1) - 8.7)))
        across = np.nan_to_num(slit.data[middle] - np.nanmedian(slit.data[middle]))
        ra, dec, _ = slit.wcs((across * np.arange(across.size)).sum() / across.sum(), middle)
        away = (ra - point.ra_deg) * np.cos(np.radians(dec)), dec - point.dec_deg
        assert np.hypot(*away) * 3600 < 0.01


def test_flight_geometry_may_be_used(tmp_path, shared_data):
    options = VisitOptions(mode="mrs", effects=CALM, geometry=shared_data / "miri", n_dithers=1)
    _, ((image, made),), files = exposures(tmp_path, options, "MIRIFULONG", KINDS)
    own = shared_data / "miri" / "jwst_miri_mrs34A_distortion_flt8.asdf"
    assert files["distortion"].read_bytes() == own.read_bytes()
    world = with_coordinates(image, files).wcs.world()
    seen = np.isfinite(world[2])
    assert seen.mean() > 0.5
    np.testing.assert_allclose(world[2][seen], made.planes["WAVELENGTH"][0][seen], atol=1e-6)
    # The brightest pixel of the star looks at it.
    y, x = np.unravel_index(
        np.nanargmax(np.where(seen, made.planes["SURF_BRIGHT"][0], 0)), seen.shape
    )
    ra, dec = world[0, y, x] - options.target.ra_deg, world[1, y, x] - options.target.dec_deg
    assert np.hypot(ra * np.cos(np.radians(-69.5)), dec) * 3600 < 0.5
    with pytest.raises(
        BadParameter, match="no distortion and no specwcs of MIRIFUSHORT, band LONG"
    ):
        exposures(tmp_path, replace(options, bands=("LONG",)))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"source": "comet"}, UnknownName, "source"),
        ({"bands": ("SHORT", "TALL")}, BadParameter, "no band TALL in this mode; it has SHORT, MEDIUM"),
        ({"mode": "lrs-slitless", "n_background": 1}, BadParameter, "no exposures of the background"),
        ({"mode": "lrs-slitless", "source": "extended"}, BadParameter, "cloud without a slit"),
        ({"n_dithers": 5}, BadParameter, "has 4 dither positions; 5 were asked for"),
        ({"geometry": Path(__file__).parent}, BadParameter, "no distortion and no specwcs"),
    ],
)  # fmt: skip
def test_what_cannot_be_simulated_is_said(tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        simulate(
            SIMULATION, tmp_path, VisitOptions(**{"mode": "mrs", "size": "small", "references": False, **options})
        )  # fmt: skip


def test_several_bands_make_a_visit():
    plan = VisitPlan(SIMULATION, VisitOptions(mode="mrs", bands=("SHORT", "LONG"), n_dithers=2))
    told = [(take.band, take.number, take.activity, take.background) for take in plan.takes]
    assert told == [
        ("SHORT", 1, 1, False), ("SHORT", 2, 1, False), ("LONG", 1, 3, False), ("LONG", 2, 3, False),
        ("SHORT", 1, 1, True), ("LONG", 1, 3, True),
    ]  # fmt: skip
    starts = [plan.start_mjd(plan.detectors[0], take) for take in plan.takes]
    assert starts == sorted(set(starts))


def test_flat_field_of_a_spectrograph_has_no_distortion_in_it(mrs_visit):
    flat = open_reference(file_of(mrs_visit, "flat"), Flat)
    with fits.open(mrs_visit.folder / "truth" / "mirifushort_detector.fits") as hdus:
        expected = hdus["EFFICIENCY"].data * 4.0 / hdus["GAIN"].data
    good = (np.asarray(flat.dq[...]) == 0) & np.isfinite(expected)
    good[:, :4] = good[:, -4:] = False
    np.testing.assert_allclose(np.asarray(flat.data[...])[good], expected[good], rtol=0.01)


def test_truth_has_the_fringes_that_only_a_star_has(tmp_path):
    options = VisitOptions(mode="mrs", size="small", n_groups=2, n_background=0, references=False,
                           effects=Effects.only("fringes", "point_fringes"))  # fmt: skip
    simulate(SIMULATION, tmp_path, options)
    (path,) = (tmp_path / "truth").glob("*mirifushort_truth.fits")
    left = fits.getdata(path, "RESIDUAL_FRINGES")
    assert 0.05 < np.abs(left - 1).max() < 0.08
