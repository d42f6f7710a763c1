"""photom: which row counts, how sensitivity changes with time, what is written."""

import numpy as np
import pytest

from calcore.errors import KeywordMissing, ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels import photometry
from calcore.model import Image, Meta
from calcore.model.reference import Area
from calcore.model.reference import Photom as PhotomReference
from calcore.steps.calibration.photom import Photom
from calcore.steps.converting import remaining_sensitivity
from calcore.testing import Case, StepContract

SHAPE = (12, 10)
META = {
    "instrument.filter": "F770W",
    "instrument.pupil": "CLEAR",
    "subarray.name": "SUB64",
    "exposure.mid_time": 59865.0,
    "bunit_data": "DN/s",
}
ROWS = [("F770W", "FULL", 0.1), ("F770W", "GENERIC", 0.2), ("F1000W", "FULL", 0.3)]
KINDS = {"filter": "U12", "pupil": "U12", "subarray": "S17"}
PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")


def table(columns, rows):
    return np.array(rows, [(name, KINDS.get(name, np.float32)) for name in columns])


def reference(rows=ROWS, columns=("filter", "subarray", "photmjsr"), meta=None, **tables):
    return PhotomReference(meta=Meta(meta or {}), table=table(columns, rows), **tables)


def image(n_int=0, **meta):
    shape = (n_int, *SHAPE) if n_int else SHAPE
    rng = np.random.default_rng(1)
    planes = {name: rng.gamma(3, 1, shape).astype(np.float32) for name in PLANES}
    dq = np.zeros(shape, np.uint32)
    dq[..., 0, 0] = DQ.DO_NOT_USE
    planes["data"][..., 0, 1] = np.nan
    return Image(meta=Meta({**META, **meta}), dq=dq, **planes)


class TestPhotom(StepContract):
    def case(self):
        area = Area(meta=Meta({}), data=np.ones(SHAPE, np.float32))
        return Case(Photom(), image(n_int=2), {"photom": reference(), "area": area})


def test_known_answer():
    given = image()
    result = Photom()(given, photom=reference([("F770W", "SUB64", 0.25)]))
    good = np.isfinite(result.data)
    for name in PLANES:
        by = 0.0625 if name.startswith("var") else 0.25
        np.testing.assert_array_equal(getattr(result, name)[good], getattr(given, name)[good] * by)
    assert result.meta["bunit_data"] == result.meta["bunit_err"] == "MJy/sr"
    assert result.meta["photometry.conversion_megajanskys"] == 0.25
    # 1 MJy/sr is 23.504 µJy per square arcsec.
    np.testing.assert_allclose(
        result.meta["photometry.conversion_microjanskys"], 0.25 * 23.504431, rtol=1e-7
    )


def test_invalid_pixels_are_invalid_in_every_plane():
    result = Photom()(image(), photom=reference())
    for name in PLANES:
        assert np.isnan(getattr(result, name)[0, :2]).all()
    assert (result.dq[0, :3] == [DQ.DO_NOT_USE, DQ.DO_NOT_USE, 0]).all()


def test_inverse_gives_the_count_rate_back():
    given = image(n_int=2)
    there = Photom()(given, photom=reference())
    back = Photom(inverse=True)(there, photom=reference())
    good = np.isfinite(back.data)
    for name in PLANES:
        old, new = getattr(given, name), getattr(back, name)
        np.testing.assert_allclose(new[good], old[good], rtol=1e-6)
    assert back.meta["bunit_data"] == "DN/s"


@pytest.mark.parametrize(
    ("filter_name", "subarray", "expected"),
    [("F770W", "FULL", 0.1), ("F770W", "SUB64", 0.2), ("f770w ", "full", 0.1), ("F1000W", "FULL", 0.3)],
)  # fmt: skip
def test_row_of_the_sub_array_or_the_generic_one(filter_name, subarray, expected):
    meta = Meta({**META, "instrument.filter": filter_name, "subarray.name": subarray})
    assert Photom().conversion(meta, reference()) == pytest.approx(expected)


def test_row_of_filter_and_pupil():
    rows = [("F770W", "CLEAR", 0.5), ("F770W", "F164N", 0.7)]
    photom = reference(rows, ("filter", "pupil", "photmjsr"))
    assert Photom().conversion(Meta(META), photom) == 0.5


def test_table_of_one_row_without_elements_is_for_all():
    assert Photom().conversion(Meta(META), reference([(0.5,)], ("photmjsr",))) == 0.5


def test_no_row_fails_before_any_pixel_is_read():
    meta = Meta({**META, "instrument.filter": "F560W"})
    photom = reference()
    with pytest.raises(ReferenceInvalid, match="no row for filter F560W, pupil CLEAR, subarray"):
        Photom().check(meta, {"photom": photom})


def test_no_row_can_leave_the_image_as_it_is():
    given = image(**{"instrument.filter": "F560W"})
    photom = reference(meta={"photometry.pixelarea_steradians": 1e-13})
    result = Photom(missing_row="keep")(given, photom=photom)
    np.testing.assert_array_equal(result.data, given.data)
    np.testing.assert_array_equal(result.dq, given.dq)
    assert result.meta["bunit_data"] == "DN/s"
    assert "photometry.conversion_megajanskys" not in result.meta
    assert result.meta["photometry.pixelarea_steradians"] == 1e-13


def test_two_rows_are_refused():
    with pytest.raises(ReferenceInvalid, match="has 2 rows for filter F770W, subarray FULL"):
        Photom().conversion(Meta({**META, "subarray.name": "FULL"}), reference([ROWS[0], ROWS[0]]))


def test_table_without_conversions_is_refused():
    photom = reference([("F770W", 1.0)], ("filter", "photmj"))
    with pytest.raises(ReferenceInvalid, match="no column photmjsr; found: filter, photmj"):
        Photom().conversion(Meta(META), photom)


def test_conversion_must_be_a_positive_number():
    with pytest.raises(ReferenceInvalid, match="is nan; it must be positive"):
        Photom().conversion(Meta(META), reference([("F770W", "SUB64", np.nan)]))


def test_area_and_its_nominal_value():
    mean = {"photometry.pixelarea_steradians": 3e-13, "photometry.pixelarea_arcsecsq": 0.0128}
    area = Area(meta=Meta(mean), data=np.full(SHAPE, 1.02, np.float32))
    photom = reference(meta=dict.fromkeys(mean, 1.0))
    result = Photom()(image(n_int=2), photom=photom, area=area)
    np.testing.assert_array_equal(result.area, area.data)
    assert result.meta["photometry.pixelarea_steradians"] == 3e-13
    without = Photom()(image(), photom=photom)
    assert without.area is None
    assert without.meta["photometry.pixelarea_steradians"] == 1.0


def test_sensitivity_lost_linearly():
    assert photometry.linear(0.0, loss_per_year=0.1) == 1
    assert photometry.linear(365.0, loss_per_year=0.1) == pytest.approx(0.9)


def test_sensitivity_lost_exponentially():
    terms = {"amplitude": 0.25, "tau": 100.0, "constant": 0.75}
    assert photometry.exponential(0.0, **terms) == 1
    assert photometry.exponential(1e6, **terms) == pytest.approx(0.75)


def test_sensitivity_lost_by_a_power_law():
    terms = {"year_1_value": 0.9, "softening": 5.0, "exponent": -0.1}
    assert photometry.power_law(365.0, **terms) == pytest.approx(0.9)
    assert photometry.power_law(2 * 370.0 - 5.0, **terms) == pytest.approx(0.9 * 2**-0.1)


def changing():
    rows = [(*row[:2], 59500.0, 0.1) for row in ROWS]
    decay = [(*row[:2], 59765.0, 0.2, 100.0, 0.8) for row in ROWS]
    return reference(
        linear_in_time=table(("filter", "subarray", "t0", "lossperyear"), rows),
        exponential_in_time=table(("filter", "subarray", "t0", "amplitude", "tau", "const"), decay),
    )


def test_losses_multiply_and_divide_the_conversion():
    expected = 0.9 * (0.2 * np.exp(-1) + 0.8)
    assert remaining_sensitivity(Meta(META), changing()) == pytest.approx(expected, rel=1e-6)
    assert Photom().conversion(Meta(META), changing()) == pytest.approx(0.2 / expected, rel=1e-6)
    off = Photom(apply_time_correction=False)
    assert off.conversion(Meta(META), changing()) == pytest.approx(0.2)


def test_losses_need_the_time_of_the_exposure():
    with pytest.raises(KeywordMissing, match=r"exposure\.mid_time"):
        Photom().conversion(Meta({**META, "exposure.mid_time": None}), changing())


def test_losses_unknown_for_this_exposure_are_an_error():
    photom = reference(
        linear_in_time=table(
            ("filter", "subarray", "t0", "lossperyear"), [("F1000W", "FULL", 59500.0, 0.1)]
        )
    )
    with pytest.raises(ReferenceInvalid, match=r"not for this exposure; set photom\.apply"):
        Photom().conversion(Meta(META), photom)
