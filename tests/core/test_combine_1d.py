"""Spectra of several exposures as one, and as a background that is subtracted."""

import numpy as np
import pytest

from calcore.errors import CalcoreError, DataUnusable, ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.kernels.spectra_combination import at_wavelengths, clumps, nearest, without_outliers
from calcore.model import ExposureType, Facts, Group, Image, Meta
from calcore.model.reference import UserBackground
from calcore.model.slit import Slit
from calcore.model.spectrum import CombinedSpectra, Spectra, Spectrum, units_of
from calcore.steps.combination.combine_1d import Combine1d
from calcore.steps.combination.master_background import MasterBackground, MasterBackgroundResult
from calcore.testing import Case, StepContract
from calcore.testing.samples import metadata
from calcore.wcs.plain import Polynomial
from calcore.wcs.pointing import Pointing
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates

WAVES = np.array([5.0, 5.1, 5.2, 5.3, 5.4])


def spectra(flux, wavelength=WAVES, time=100.0, units=None, told=None, meta=None, **columns):
    flux = np.asarray(flux, float)
    given = {"FLUX_ERROR": np.ones(flux.size), "SURF_BRIGHT": 2 * flux, "BACKGROUND": 3 * flux,
             "SB_ERROR": np.full(flux.size, 2.0), "BKGD_ERROR": np.full(flux.size, 3.0), **columns}  # fmt: skip
    own = Spectrum.of(
        Meta(told or {}), units or units_of(), WAVELENGTH=wavelength, FLUX=flux, **given
    )
    times = {"exposure.exposure_time": time, "exposure.integration_time": time / 10}
    return Spectra(meta=Meta(times | (meta or {})), spectra=(own,))


def combined(*members, **settings):
    return Combine1d(**settings)(Group("product", members)).spectra


class TestCombine1dContract(StepContract):
    def case(self):
        return Case(Combine1d(), Group("product", (spectra(np.ones(5)), spectra(np.zeros(5)))))


@pytest.mark.parametrize(
    ("key", "share"),
    [("exposure_time", 0.75), ("integration_time", 0.75), ("unit_weight", 0.5)],
)
def test_spectra_are_weighted_by_their_time(key, share):
    flux = np.arange(1.0, 6)
    (one,) = combined(spectra(flux), spectra(flux + 2, time=300.0), exptime_key=key)
    np.testing.assert_allclose(one.table["FLUX"], flux + 2 * share)
    np.testing.assert_allclose(one.table["SURF_BRIGHT"], 2 * flux + 4 * share)
    np.testing.assert_allclose(one.table["ERROR"], np.hypot(share, 1 - share))
    np.testing.assert_allclose(one.table["SB_ERROR"], 2 * np.hypot(share, 1 - share))
    assert one.table["N_INPUT"].tolist() == [2] * 5


def test_rows_that_are_flagged_or_nan_do_not_count():
    first = spectra([1, 2, 3, 4, 5], DQ=[0, 1, 0, 4, 1])
    second = spectra([3, 4, np.nan, 6, 7], DQ=[0, 0, 0, 2, 1], FLUX_ERROR=[1, np.nan, 1, 1, 1])
    table = combined(first, second)[0].table
    np.testing.assert_allclose(table["WAVELENGTH"], WAVES[:4])
    np.testing.assert_allclose(table["FLUX"], [2, 4, 3, 5])
    assert table["DQ"].tolist() == [0, 0, 0, 6]
    assert table["N_INPUT"].tolist() == [2, 1, 1, 2]


def test_wavelengths_ascend_and_what_is_nearly_the_same_is_taken_together():
    falling = spectra([1, 2, 3, 4, 5.0], WAVES[::-1])
    table = combined(falling, spectra(np.ones(5), WAVES + 0.01))[0].table
    np.testing.assert_allclose(table["WAVELENGTH"], WAVES + 0.005)
    np.testing.assert_allclose(table["FLUX"], [3, 2.5, 2, 1.5, 1])
    cut = combined(falling, spectra(np.ones(5), WAVES + 0.01), places="nearest")[0].table
    assert cut["N_INPUT"].tolist() == [1, 2, 2, 2, 1]


def test_spectra_that_overlap_in_part_are_joined():
    table = combined(spectra(np.ones(5)), spectra(np.full(5, 3.0), WAVES + 0.2))[0].table
    np.testing.assert_allclose(table["WAVELENGTH"], 5 + 0.1 * np.arange(7))
    np.testing.assert_allclose(table["FLUX"], [1, 1, 2, 2, 2, 3, 3])


def test_orders_and_sources_are_combined_by_themselves():
    members = [
        spectra(np.full(5, value), told={"spectrum.spectral_order": order, "spectrum.source_id": 7})
        for value, order in ((1.0, 1), (2.0, 2), (3.0, 1))
    ]
    one, two = combined(*members)
    assert (one.table["FLUX"][0], two.table["FLUX"][0]) == (2.0, 2.0)
    assert (one.meta["combined.spectral_order"], two.meta["combined.spectral_order"]) == (1, 2)
    assert one.meta["combined.source_id"] == 7


def test_fluxes_far_from_others_do_not_count_if_asked():
    members = [spectra([value, value, 1, 1, 1]) for value in (1.0, 1.1, 0.9, 1.05, 0.95)]
    wild = spectra([50.0, 1.0, 1, 1, 1])
    (plain,) = combined(*members, wild)
    (clipped,) = combined(*members, wild, sigma_clip=2.0)
    assert plain.table["FLUX"][0] > 9
    np.testing.assert_allclose(clipped.table["FLUX"], 1.0)
    assert clipped.table["N_INPUT"].tolist() == [5, 6, 6, 6, 6]


def test_clumps_of_wavelengths():
    grid, number = clumps([np.array([5.0, 5.1]), np.array([5.09, 5.19])])
    np.testing.assert_allclose(grid, [5.0, 5.095, 5.19])
    assert number.tolist() == [0, 1, 1, 2]
    grid, number = clumps([np.array([5.0, 5.1, 5.2]), np.array([5.05, 5.15, 5.25])])
    np.testing.assert_allclose(grid, [5.025, 5.125, 5.225])
    assert clumps([np.array([5.0]), np.array([6.0])])[0].tolist() == [5.0, 6.0]
    assert nearest(np.array([4.9, 5.04, 5.26, 5.31]), np.array([5.0, 5.1, 5.3])).tolist() == [
        -1, 0, 2, -1,
    ]  # fmt: skip


def test_one_outlier_of_many_is_left_out():
    value = np.array([1, 1.2, 0.8, 1, 40, 5, 6])
    number, good = np.array([0, 0, 0, 0, 0, 1, 1]), np.ones(7, np.bool_)
    kept = without_outliers(value, number, good, 1.9)
    assert kept.tolist() == [True] * 4 + [False] + [True] * 2


def test_what_cannot_be_combined_is_said():
    with pytest.raises(DataUnusable, match=r"DN/s, DN/s and Jy, MJy/sr cannot be combined"):
        combined(spectra(np.ones(5)), spectra(np.ones(5), units=units_of("DN/s", "DN/s")))
    with pytest.raises(DataUnusable, match="no spectrum has a wavelength"):
        combined(spectra(np.ones(5), np.full(5, np.nan)))
    with pytest.raises(
        CalcoreError, match=r"was exposed for None s; correct exposure\.exposure_time"
    ):
        combined(spectra(np.ones(5), meta={"exposure.exposure_time": None}))


def a_slit(**changes):
    shape = (8, 6)
    wavelength = np.tile(5.001 + 0.1 * np.arange(8, dtype="f4")[:, None], (1, 6)).astype("f4")
    wavelength[0, 0] = np.nan
    plane = np.full(shape, 100, "f4")
    return Slit(
        meta=metadata(*shape).set(changes), data=plane, err=plane / 100,
        dq=np.zeros(shape, "u4"), wavelength=wavelength,
    )  # fmt: skip


def backgrounds(*values, bkgdtarg=True, **columns):
    told = {"observation.bkgdtarg": bkgdtarg}
    return tuple(
        spectra(np.full(4, value), 5.2 + 0.101 * np.arange(4), time, meta=told, **columns)
        for value, time in values
    )


def subtracted(members, slit=None, **settings):
    given = {"userbackground": settings.pop("userbackground", None)}
    step = MasterBackground(**settings)
    return step(Group("product", (slit or a_slit(),)), backgrounds=members, **given)


class TestMasterBackgroundContract(StepContract):
    def case(self):
        given = {"backgrounds": backgrounds((1.0, 100.0)), "userbackground": None}
        return Case(MasterBackground(), Group("product", (a_slit(),)), given)


def test_mean_of_the_background_is_subtracted_at_each_wavelength():
    members = backgrounds((1.0, 100.0), (3.0, 300.0))
    (image,) = subtracted(members, ends="cut").members
    np.testing.assert_allclose(image.data[2:6], 100 - 2 * 2.5, rtol=1e-6)
    np.testing.assert_allclose(image.data[[0, 1, 6, 7]], 100)
    assert ((image.dq & DQ.DO_NOT_USE) != 0).any(axis=1).tolist() == [
        True, True, False, False, False, False, True, True,
    ]  # fmt: skip
    np.testing.assert_array_equal(image.err, a_slit().err)


def test_pixels_that_the_background_does_not_reach_may_stay_without_a_flag():
    members = backgrounds((1.0, 100.0), (3.0, 300.0))
    cut, zero = (subtracted(members, ends=ends).members[0] for ends in ("cut", "zero"))
    np.testing.assert_array_equal(zero.data, cut.data)
    np.testing.assert_array_equal(zero.dq, a_slit().dq)


def test_background_members_without_a_spectrum_are_named():
    (member,) = backgrounds((1.0, 100.0))
    image = member.replace(spectra=(), meta=member.meta.set({"filename": "b_cal.fits"}))
    with pytest.raises(DataUnusable, match=r"b_cal\.fits holds no spectrum; name the x1d files"):
        subtracted((image,))


def test_a_background_of_other_wavelengths_is_refused():
    (member,) = backgrounds((1.0, 100.0))
    (spectrum,) = member.spectra
    table = spectrum.table
    away = spectrum.with_columns(WAVELENGTH=table["WAVELENGTH"] + 50)
    message = r"the background's spectrum is of 5.* um, and no pixel of .* has such a wavelength"
    with pytest.raises(DataUnusable, match=message):
        subtracted((member.replace(spectra=(away,)),))


def test_images_of_slicers_have_their_wavelengths_from_their_coordinates():
    """Two slices; beside them there is no wavelength, and what is there is flagged."""
    shape = (10, 12)
    labels = np.zeros(shape, np.int32)
    labels[:, 1:5], labels[:, 7:11] = 101, 102
    linear = {"place": [[0.0, 0.1], [0.0, 0.0]], "across": [[0.0]], "wave": [[5.0, 0], [0.05, 0]]}
    place, across, wave = (Polynomial(np.array(terms)) for terms in linear.values())
    back = Polynomial(np.zeros((1, 1)))
    slices = tuple(
        Slice(number=number, field=0, place=(place, across, wave), back=(back, back))
        for number in (101, 102)
    )
    way = Polynomial(np.array([[0.0, 0.0], [1.0, 0.0]])), Polynomial(np.array([[0.0, 1.0]]))
    field = Field(number=1, wavelengths=(5.0, 6.0), to_telescope=way, back=way)
    pointing = Pointing(ra_deg=10, dec_deg=20, roll_deg=0, v2_arcsec=0, v3_arcsec=0)
    wcs = SlicedCoordinates(labels=labels, slices=slices, fields=(field,), pointing=pointing)
    plane = np.full(shape, 50, "f4")
    image = Image(meta=metadata(*shape), data=plane, err=plane, dq=np.zeros(shape, "u4"), wcs=wcs)
    known = 5 + 0.05 * np.arange(10)
    member = spectra(np.arange(10.0), known, meta={"observation.bkgdtarg": True})
    (found,) = subtracted((member,), image).members
    np.testing.assert_allclose(found.data[:, 2], 50 - 2 * np.arange(10), rtol=1e-6)
    np.testing.assert_array_equal(found.dq[3] != 0, labels[3] == 0)
    np.testing.assert_allclose(found.data[labels == 0], 50)


def test_ends_of_the_spectrum_hold_half_a_step_beyond():
    known = 5 + 0.1 * np.arange(4)
    table = at_wavelengths(np.array([4.94, 4.96, 5.15, 5.34, 5.36, np.nan]), known,
                           np.arange(4.0), beyond=True)  # fmt: skip
    np.testing.assert_allclose(table, [np.nan, 0, 1.5, 3, np.nan, np.nan])


def test_beside_a_source_the_background_is_what_was_subtracted_there():
    (image,) = subtracted(backgrounds((1.0, 100.0), bkgdtarg=False)).members
    np.testing.assert_allclose(image.data[3], 97)
    slit = a_slit()
    field = ExposureType(name="IFU", data={"integral_field": True})
    slit = slit.replace(meta=slit.meta.with_facts(Facts(slit.meta.facts.detector, field)))
    (image,) = subtracted(backgrounds((1.0, 100.0)), slit).members
    np.testing.assert_allclose(image.data[3], 97)


def test_running_median_takes_lines_out():
    (member,) = backgrounds((1.0, 100.0), SURF_BRIGHT=[2, 90, 2, 2])
    for length in (3, 4):
        (image,) = subtracted((member,), median_kernel=length).members
        np.testing.assert_allclose(image.data[2:6], 98)
    (image,) = subtracted((member,), median_kernel=5, ends="cut").members
    assert (image.data[2] == 98).all()


def test_spectrum_and_images_of_the_background_may_be_kept():
    found = subtracted(backgrounds((1.0, 100.0)), save_background=True)
    assert type(found) is MasterBackgroundResult
    assert type(found.masterbg1d) is CombinedSpectra
    np.testing.assert_allclose(found.masterbg1d.spectra[0].table["SURF_BRIGHT"], 2)
    (image,), (layer,) = found.exposures.members, found.masterbg2d.members
    np.testing.assert_allclose(image.data + layer.data, 100)


def test_a_users_spectrum_is_taken_instead():
    table = np.array([(5.5, 4.0), (5.0, 4.0)], [("wavelength", "f8"), ("surf_bright", "f8")])
    given = UserBackground(meta=Meta({}), combined=table)
    (image,) = subtracted((), userbackground=given).members
    np.testing.assert_allclose(image.data[1:6], 96)
    with pytest.raises(ReferenceInvalid, match="no table EXTRACT1D or COMBINE1D"):
        subtracted((), userbackground=UserBackground(meta=Meta({})))


def test_a_background_is_not_subtracted_twice():
    slit = a_slit(**{"cal_step.bkg_subtract": "COMPLETE", "filename": "a_cal.fits"})
    with pytest.raises(StepSkipped, match=r"a_cal\.fits had a background subtracted before"):
        subtracted(backgrounds((1.0, 100.0)), slit)
    with pytest.raises(StepSkipped, match=r"a_cal\.fits and 1 more had a background"):
        MasterBackground()(Group("product", (slit, slit)), backgrounds=backgrounds((1.0, 100.0)))
    (image,) = subtracted(backgrounds((1.0, 100.0)), slit, force_subtract=True).members
    np.testing.assert_allclose(image.data[3], 98)
    with pytest.raises(StepSkipped, match="no background members"):
        subtracted(())
    with pytest.raises(CalcoreError, match="neither wavelengths nor world coordinates"):
        subtracted(backgrounds((1.0, 100.0)), a_slit().replace(wavelength=None))
    nothing = backgrounds((1.0, 100.0), SURF_BRIGHT=np.full(4, np.nan))
    with pytest.raises(DataUnusable, match="spectrum has no value"):
        subtracted(nothing)
