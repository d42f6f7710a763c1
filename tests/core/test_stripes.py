"""Sub-arrays that are read in stripes: which lines they are, and what steps make of them."""

from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.errors import KeywordInvalid, KeywordMissing, ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.model import Window
from calcore.model.reference import Gain, Ipc, Mask, ReadNoise
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.stitched import EveryNth, Joined
from calcore.model.stripes import Stripes
from calcore.model.superstripes import integrations_together, taken_apart, taken_together
from calcore.steps.detector.collate_stripes import CollateStripes
from calcore.steps.detector.ipc import Ipc as IpcStep
from calcore.steps.detector.jump import Jump
from calcore.steps.detector.refpix import RefPix
from calcore.steps.detector.saturation import Saturation
from calcore.testing.contract import Case, StepContract

SIZE = (64, 64)
DIRECTIONS = [(1, 2), (-1, 2), (1, -2), (2, 1), (-2, -1), (-2, 1)]
TWO = {
    "multistripe_reads1": 1, "multistripe_skips1": 9, "multistripe_reads2": 3,
    "multistripe_skips2": 4, "repeat_stripe": 1, "interleave_reads1": 1,
}  # fmt: skip
MOVING = TWO | {
    "multistripe_reads1": 2, "multistripe_skips1": 0, "multistripe_reads2": 6,
    "superstripe_step": 6, "num_superstripe": 3,
}  # fmt: skip


@pytest.fixture
def striped(detector_ramp):
    """Make a ramp of a detector of 64 x 64 pixels whose frame has some lines, 64 pixels each."""

    def make(told, lines, axes=(1, 2), n_int=1, n_group=1, data=None, start=(0, 0), **more):
        shape = (lines, 64) if abs(axes[1]) == 2 else (64, lines)
        if data is None:
            data = np.zeros((n_int, n_group, *shape))
        names = {f"subarray__{name}": value for name, value in told.items()}
        return detector_ramp(data, axes=axes, size=SIZE, start=start, **names, **more)

    return make


def in_science_order(read, axes):
    """Return lines in read-out order as the frame has them."""
    return [63 - line for line in reversed(read)] if axes[1] < 0 else list(read)


@pytest.mark.parametrize("axes", DIRECTIONS)
@pytest.mark.parametrize(
    ("repeat", "interleave", "read"),
    [
        (1, 1, [0, 10, 11, 12, 0, 17, 18, 19]),  # the leading line before each stripe
        (1, 0, [0, 10, 11, 12, 0, 10, 11, 12]),  # the same stripe again
        (0, 0, [0, 10, 11, 12, 17, 18, 19]),  # stripes alone
        (0, 1, [0, 10, 11, 12, 17, 18, 19]),
    ],
)
def test_lines_of_a_frame_follow_from_keywords(striped, axes, repeat, interleave, read):
    told = TWO | {"repeat_stripe": repeat, "interleave_reads1": interleave}
    stripes = Stripes.of(striped(told, len(read), axes).meta)
    assert stripes.lines.tolist() == in_science_order(read, axes)
    assert stripes.positions == 1
    assert [part.stop - part.start for part in stripes.parts(apart=False)] == [len(read)]


@pytest.mark.parametrize("axes", DIRECTIONS)
def test_positions_of_a_superstripe_lie_side_by_side(striped, axes):
    stripes = Stripes.of(striped(MOVING, 8, axes, n_int=3).meta)
    read = [0, 1, *range(2, 8), 0, 1, *range(8, 14), 0, 1, *range(14, 20)]
    assert stripes.lines.tolist() == in_science_order(read, axes)
    assert [part.stop - part.start for part in stripes.parts(apart=False)] == [8, 8, 8]
    assert sorted(part.stop - part.start for part in stripes.parts(apart=True)) == [2] * 3 + [6] * 3


def test_a_superstripe_begins_where_the_header_says(striped):
    assert Stripes.of(striped(MOVING, 8, start=(4, 0)).meta).lines[:4].tolist() == [4, 5, 6, 7]
    backwards = striped(MOVING, 8, (1, -2), start=(56 - 4, 0)).meta
    assert Stripes.of(backwards).lines[-2:].tolist() == [58, 59]
    whole = MOVING | {"multistripe_reads1": 0, "multistripe_reads2": 0, "superstripe_step": 8}
    assert Stripes.of(striped(whole, 8, start=(4, 0)).meta).lines.tolist() == list(range(4, 28))


def test_frames_in_one_piece_have_no_stripes(striped):
    assert Stripes.of(striped({}, 8).meta) is None
    assert Stripes.of(striped(dict.fromkeys(MOVING, 0), 8).meta) is None


@pytest.mark.parametrize(
    ("change", "lines", "message"),
    [
        ({"multistripe_reads1": -1}, 8, r"MSTR_RD1 is -1, but must be a whole number, 0 or more"),
        ({"multistripe_reads2": 2.5}, 8, r"MSTR_RD2 is 2.5, but must be a whole number"),
        ({"multistripe_skips1": "ten"}, 8, r"MSTR_SK1 is 'ten', but must be a whole number"),
        ({"repeat_stripe": 2}, 8, r"MSTR_RPT is 2, but must be 0 or 1"),
        ({"interleave_reads1": 3}, 8, r"MSTR_ILV is 3, but must be 0 or 1"),
        ({"multistripe_reads2": 0}, 8, r"MSTR_RD2 is 0, but must be 1 or more, since MSTR_RD1"),
        (
            {"multistripe_reads1": 0, "multistripe_reads2": 0}, 8,
            r"MSTR_RD2 is 0, but must be 1 or more, since lines are skipped",
        ),
        ({}, 9, r"MSTR_RD1 and MSTR_RD2 is \(1, 3\), .* fill the frame, which has 9 lines"),
        ({"multistripe_skips2": 60}, 8, r"MSTR_SK1, MSTR_SK2 and SSTR_STP .* the detector's 64 lines"),
        ({"num_superstripe": 65, "superstripe_step": 3}, 4, r"SSTR_NST is 65, but must be 64 or less"),
        ({"num_superstripe": 2, "superstripe_step": 2}, 4, r"SSTR_STP is 2, but must be 3, the lines"),
        ({"num_superstripe": 2, "superstripe_step": 3}, 8, r"only one stripe can move"),
        ({"superstripe_step": 3}, 8, r"SSTR_NST is 0, but must be 1 or more, since SSTR_STP moves"),
    ],
)  # fmt: skip
def test_keywords_that_cannot_be_are_refused_in_one_sentence(striped, change, lines, message):
    with pytest.raises(KeywordInvalid, match=message):
        Stripes.of(striped(TWO | change, lines).meta)


@pytest.mark.parametrize("name", [name for name in MOVING if name != "num_superstripe"])
def test_missing_keywords_are_named(striped, name):
    told = {key: value for key, value in MOVING.items() if key != name}
    with pytest.raises(KeywordMissing, match=rf"(MSTR|SSTR)_\w+ \(subarray.{name}\) is missing"):
        Stripes.of(striped(told, 8).meta)


class Counting:
    """An array that remembers how much of it was read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, 0

    def __getitem__(self, index):
        part = self.values[index]
        self.read += part.size
        return part


@pytest.mark.parametrize("axis", [-1, -2, 0])
def test_joined_planes_are_read_where_they_are_asked_for(rng, axis):
    parts = [Counting(rng.normal(size=(4, 5, 6))) for _ in range(3)]
    whole = np.concatenate([part.values for part in parts], axis=axis)
    joined = Joined(parts, axis)
    assert (joined.shape, joined.dtype, joined.ndim) == (whole.shape, whole.dtype, 3)
    assert (joined.size, joined.nbytes, len(joined)) == (whole.size, whole.nbytes, len(whole))
    for index in (
        np.s_[...], np.s_[..., 2:4, 1:5], np.s_[1], np.s_[..., ::2], np.s_[1:3, 2, :], np.s_[..., 3:3],
    ):  # fmt: skip
        np.testing.assert_array_equal(joined[index], whole[index])
    np.testing.assert_array_equal(np.asarray(joined), whole)
    before = [part.read for part in parts]
    _ = joined[..., 0:2, 0:2]
    assert [part.read - old for part, old in zip(parts, before, strict=True)].count(0) >= (
        2 if axis != 0 else 0
    )


def test_every_nth_plane(rng):
    values = Counting(rng.normal(size=(7, 2, 3, 4)))
    every = EveryNth(values, 1, 3)
    np.testing.assert_array_equal(every[...], values.values[1::3])
    np.testing.assert_array_equal(every[1, ..., 1:3, 2], values.values[1::3][1, ..., 1:3, 2])
    values.read = 0
    assert every[1:, ..., 0:1, :].size == values.read == 8


@pytest.mark.parametrize("axes", DIRECTIONS)
def test_a_superstripe_is_read_and_put_together_again(striped, axes):
    """What each position has read stands where it lies on the detector; the rest is empty."""
    sky = np.arange(64 * 64).reshape(SIZE).astype(float)
    meta = striped(MOVING, 8, axes, n_int=6).meta
    lines = Stripes.of(meta).lines
    across = axes[1] in (2, -2)
    picked = sky[lines] if across else sky[:, lines]
    frames = np.split(picked, 3, axis=0 if across else 1)[:: 1 if axes[1] > 0 else -1]
    data = np.stack([frame + 1e4 * (n >= 3) for n, frame in enumerate([*frames, *frames])])[:, None]
    dq = np.zeros(data.shape[2:], np.uint32)
    ramp = taken_together(striped(MOVING, 8, axes, data=data, pixeldq=dq))
    assert ramp.data.shape[:2] == (2, 1)
    np.testing.assert_array_equal(ramp.loaded().data[0, 0], picked)
    done = CollateStripes()(ramp.loaded())
    start, size = (
        done.meta["subarray.ystart" if across else "subarray.xstart"] - 1, 18
    )  # fmt: skip
    assert start == (2 if axes[1] > 0 else 64 - 20)
    place = slice(start, start + size)
    expected = sky[place] if across else sky[:, place]
    np.testing.assert_array_equal(done.data, np.stack([expected, expected + 1e4])[:, None])
    assert Stripes.of(done.meta) is None
    assert done.frame.is_whole


def test_lines_that_nobody_read_are_empty_reference_pixels(striped):
    ramp = striped(MOVING, 8, n_int=3, data=np.ones((3, 2, 8, 64)))
    stripes = Stripes.of(ramp.meta)
    object.__setattr__(ramp.meta.facts.detector, "whole_superstripes", ("FULL",))
    assert stripes is not None
    done = CollateStripes()(taken_together(ramp).loaded())
    assert done.data.shape == (1, 2, 64, 64)
    read = np.zeros(64, bool)
    read[2:20] = True
    assert np.all(np.isnan(done.data[0, 0, :, 0]) == ~read)
    assert np.all((done.pixeldq[:, 0] == DQ.REFERENCE_PIXEL) == ~read)
    assert not done.groupdq.any()


def test_integrations_and_times_are_those_of_the_whole(striped):
    kinds = [("integration_number", "i4")] + [
        (f"int_{which}_{scale}", "f8")
        for scale in ("MJD_UTC", "BJD_TDB")
        for which in ("start", "mid", "end")
    ]
    table = np.zeros(6, kinds)
    for row in range(6):
        table[row] = (
            7 + row,
            row,
            row + 0.25,
            row + 0.5,
            10 + row,
            10 + row + 0.25,
            10 + row + 0.5,
        )
    ramp = striped(
        MOVING, 8, n_int=6, exposure__nints=12,
        exposure__integration_start=7, exposure__integration_end=12,
    ).replace(int_times=table)  # fmt: skip
    done = taken_together(ramp)
    names = ("nints", "integration_start", "integration_end")
    assert [done.meta[f"exposure.{name}"] for name in names] == [4, 3, 4]
    assert done.int_times.tolist() == [
        (3, 0.0, 1.25, 2.5, 10.0, 11.25, 12.5), (4, 3.0, 4.25, 5.5, 13.0, 14.25, 15.5),
    ]  # fmt: skip
    by_stripe = done.int_times_stripe
    assert by_stripe.dtype.names == ("integration_number", "stripe_number", *table.dtype.names[1:])
    assert by_stripe["integration_number"].tolist() == [3, 3, 3, 4, 4, 4]
    assert by_stripe["stripe_number"].tolist() == [1, 2, 3, 1, 2, 3]
    for name in table.dtype.names[1:]:
        np.testing.assert_array_equal(by_stripe[name], table[name])


@pytest.mark.parametrize("axes", DIRECTIONS)
def test_what_is_taken_together_can_be_taken_apart(striped, rng, axes):
    shape = (8, 64) if abs(axes[1]) == 2 else (64, 8)
    raw = striped(
        MOVING, 8, axes, data=rng.normal(size=(6, 2, *shape)), zeroframe=rng.normal(size=(6, *shape)),
        exposure__nints=12, exposure__integration_start=7, exposure__integration_end=12,
    )  # fmt: skip
    times = np.zeros(6, [("integration_number", "i4"), ("int_start_MJD_UTC", "f8")])
    times["integration_number"], times["int_start_MJD_UTC"] = np.arange(7, 13), rng.random(6)
    raw = raw.replace(int_times=times)
    together = taken_together(raw).loaded()
    flags = rng.integers(0, 9, together.pixeldq.shape).astype(np.uint32)
    apart = taken_apart(together.replace(pixeldq=flags))
    assert dict(apart.meta) == dict(raw.meta)
    assert apart.pixeldq.shape == (3, *shape)
    for name in ("data", "groupdq", "zeroframe", "int_times"):
        np.testing.assert_array_equal(getattr(apart, name), getattr(raw, name))
    again = taken_together(apart).loaded()
    np.testing.assert_array_equal(again.pixeldq, flags)
    np.testing.assert_array_equal(again.data, together.data)


def test_what_is_saved_of_a_superstripe_can_be_read_again(striped, rng, tmp_path):
    """Flags of pixels have an axis for positions, as jwst's model for such ramps has them."""
    together = taken_together(striped(MOVING, 8, data=rng.normal(size=(3, 2, 8, 64)))).loaded()
    flags = rng.integers(0, 9, together.pixeldq.shape).astype(np.uint32)
    path = tmp_path / "exposure_superbias.fits"
    io.write(taken_apart(together.replace(pixeldq=flags)), path)
    with fits.open(path) as file:
        assert file[0].header["DATAMODL"] == "SuperstripeRampModel"
        assert file["PIXELDQ"].data.shape == (3, 8, 64)
    read = io.open(path)
    again = taken_together(read.replace(meta=read.meta.with_facts(together.meta.facts))).loaded()
    np.testing.assert_array_equal(again.pixeldq, flags)
    np.testing.assert_array_equal(again.data, together.data)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"exposure__nints": 7}, r"NINTS is 7, but must be a multiple of SSTR_NST, which is 3"),
        ({"exposure__integration_start": 3}, r"INTSTART is 3, but must be 1 more than a multiple"),
    ],
)
def test_parts_of_integrations_are_refused(striped, values, message):
    with pytest.raises(KeywordInvalid, match=message):
        integrations_together(striped(MOVING, 8, n_int=6, **values).meta)
    with pytest.raises(KeywordInvalid, match=r"SSTR_NST is 3, but must be a divisor of the 5"):
        taken_together(striped(MOVING, 8, n_int=5))


@pytest.mark.parametrize("axes", DIRECTIONS)
def test_references_of_the_detector_are_stitched(striped, axes, tmp_path):
    path = tmp_path / "mask.fits"
    plane = np.arange(64 * 64, dtype=np.int32).reshape(SIZE)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(plane, name="DQ")]).writeto(path)
    for told, count in ((TWO, 8), (MOVING, 8)):
        meta = striped(told, count, axes).meta
        lines = Stripes.of(meta).lines
        mask = io.open_reference(path, Mask, meta)
        expected = plane[lines] if axes[1] in (2, -2) else plane[:, lines]
        np.testing.assert_array_equal(mask.loaded().dq, expected)
        rows, columns = expected.shape
        part = mask.cut(Window(1, 6, 2, 7, rows, columns))
        np.testing.assert_array_equal(part.dq, expected[1:6, 2:7])


def test_references_that_lack_a_line_are_refused(striped, tmp_path):
    path = tmp_path / "mask.fits"
    header = fits.Header({"SUBSTRT1": 1, "SUBSTRT2": 12, "SUBSIZE1": 64, "SUBSIZE2": 20})
    plane = np.zeros((20, 64), np.int32)
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(plane, name="DQ")]).writeto(path)
    with pytest.raises(ReferenceInvalid, match=r"rows 12 to 31 .* stripes of rows 1 to 20 and"):
        io.open_reference(path, Mask, striped(TWO, 8).meta)


def reference_flags(meta, shape, across):
    """Return flags of a detector with four reference pixels at each edge, as a frame has them."""
    whole = np.full(SIZE, int(DQ.REFERENCE_PIXEL), np.uint32)
    whole[4:-4, 4:-4] = 0
    lines = Stripes.of(meta).lines
    result = whole[lines] if across else whole[:, lines]
    assert result.shape == shape
    return np.ascontiguousarray(result)


@pytest.mark.parametrize("axes", DIRECTIONS)
def test_each_amplifier_has_a_level_in_each_position(striped, rng, axes):
    """Levels of even and odd columns of four amplifiers differ from position to position."""
    across = axes[1] in (2, -2)
    meta = striped(MOVING, 8, axes, n_int=3).meta
    levels = np.repeat(rng.normal(50, 20, (3, 4, 1, 2)), 8, axis=2).reshape(3, 1, 64)
    levels = np.broadcast_to(levels, (3, 8, 64)).reshape(24, 64)  # in read-out order
    frame = levels[:: 1 if axes[1] > 0 else -1, :: 1 if axes[0] > 0 else -1]
    frame = frame if across else frame.T
    together = taken_together(striped(MOVING, 8, axes, n_int=3)).loaded()
    flags = reference_flags(meta, frame.shape, across)
    sky = np.where(flags == 0, 1000.0, 0.0)
    ramp = together.replace(
        data=(sky + frame).astype(np.float32)[None, None], pixeldq=flags, groupdq=together.groupdq
    )
    np.testing.assert_allclose(RefPix()(ramp).data[0, 0], sky, atol=1e-3)


def test_flags_of_the_first_position_may_hold_for_all(striped, rng):
    meta = striped(MOVING, 8, n_int=3).meta
    together = taken_together(striped(MOVING, 8, n_int=3)).loaded()
    flags = reference_flags(meta, (24, 64), across=True)
    data = rng.normal(0, 1, (1, 1, 24, 64)).astype(np.float32)
    data[..., 16, 16:32] = 1000.0  # reference pixels of the last position, bad and known to be
    flags[16, 16:32] |= np.uint32(DQ.DO_NOT_USE)
    ramp = together.replace(data=data, pixeldq=flags)
    known, unknown = (RefPix(first_stripe_flags=value)(ramp).data - data for value in (False, True))
    np.testing.assert_array_equal(known[..., :16, :], unknown[..., :16, :])
    assert np.all(np.abs(known[0, 0, 16:, 16:32:2]) < 3)
    assert np.all(np.abs(unknown[0, 0, 16:, 16:32:2] + 500) < 3)


def test_saturation_does_not_grow_into_another_stripe(striped):
    """Lines 3 and 4 of the frame follow each other, but belong to two stripes."""
    data = np.full((1, 2, 8, 64), 10.0)
    data[0, 1, 3, 20] = 60000.0
    ramp = striped(TWO, 8, data=data)
    plane = np.full((8, 64), 50000, np.float32)
    limit = SaturationReference(meta=ramp.meta, data=plane, dq=np.zeros((8, 64), np.uint32))
    for apart in (False, True):
        flagged = Saturation(stripes_apart=apart)(ramp, saturation=limit).groupdq[0, 1] != 0
        expected = np.zeros((8, 64), bool)
        expected[2 : 4 if apart else 5, 19:22] = True
        np.testing.assert_array_equal(flagged, expected)


def test_coupling_ends_where_a_stripe_ends(striped):
    """An alternating line next to its neighbour of another stripe; what is apart keeps its sum."""
    kernel = np.array([[0, -0.01, 0], [-0.01, 1.04, -0.01], [0, -0.01, 0]], np.float32)
    data = np.zeros((1, 1, 8, 64))
    data[0, 0, 5, 30] = 1000.0  # the second stripe's first line; the leading line lies before it
    ramp = striped(TWO, 8, data=data)
    ipc = Ipc(meta=ramp.meta, data=kernel)
    apart = IpcStep(stripes_apart=True)(ramp, ipc=ipc).data[0, 0]
    assert apart[5, 30] == pytest.approx(1040)
    assert apart[6, 30] == pytest.approx(-10)
    assert apart[4, 30] == 0
    # The leading line is one of reference pixels, which neither give nor take.
    ramp = striped(TWO, 8, data=np.ones((1, 1, 8, 64)))
    unchanged = IpcStep(stripes_apart=True)(ramp, ipc=ipc).data[0, 0]
    assert np.all(unchanged[[0, 4]] == 1)


def test_jumps_flag_no_neighbours_in_another_stripe(striped, rng):
    data = np.cumsum(rng.normal(10, 1, (1, 8, 8, 64)), axis=1)
    data[0, 4:, 3, 20] += 500.0
    ramp = striped(TWO, 8, data=data, exposure__group_time=10.0, exposure__frame_time=10.0)
    plane = np.full((8, 64), 2, np.float32)
    given = {
        "gain": Gain(meta=ramp.meta, data=plane), "readnoise": ReadNoise(meta=ramp.meta, data=plane),
    }  # fmt: skip
    for apart in (False, True):
        hit = Jump(stripes_apart=apart)(ramp, **given).groupdq[0, 4] & DQ.JUMP_DET != 0
        assert hit[3, 19:22].all()
        assert hit[2, 20]
        assert hit[4, 20] != apart


def test_bands_of_any_height_see_the_same_neighbours(striped, rng):
    """A band that ends within a stripe, at its border or beyond gives the same flags."""
    data = np.where(rng.random((1, 1, 8, 64)) < 0.05, 60000.0, 10.0)
    ramp = striped(TWO, 8, data=data)
    plane = np.full((8, 64), 50000, np.float32)
    limit = SaturationReference(meta=ramp.meta, data=plane, dq=np.zeros((8, 64), np.uint32))
    step = Saturation(stripes_apart=True)
    whole = step(ramp, saturation=limit).groupdq
    for start, stop in pairwise(range(9)):
        window = Window(start, stop, 0, 64, 8, 64)
        grown = window.grown(1)
        part = step.apply(ramp.cut(grown), saturation=limit.cut(grown)).view(window)
        np.testing.assert_array_equal(part.groupdq, whole[:, :, start:stop])


def test_frames_in_one_piece_are_not_collated(striped):
    for told in ({}, TWO):
        with pytest.raises(StepSkipped, match="not read in super-stripes"):
            CollateStripes()(striped(told, 8))


class TestCollateStripesContract(StepContract):
    @pytest.fixture(autouse=True)
    def _ramp(self, striped, rng):
        data = rng.normal(size=(3, 2, 8, 64))
        self.ramp = taken_together(striped(MOVING, 8, data=data)).loaded()

    def case(self):
        return Case(CollateStripes(), self.ramp)


class TestRefPixOfStripesContract(StepContract):
    @pytest.fixture(autouse=True)
    def _ramp(self, striped, rng):
        ramp = striped(MOVING, 8, data=rng.normal(size=(6, 2, 8, 64)))
        flags = reference_flags(ramp.meta, (24, 64), across=True)
        self.ramp = taken_together(ramp).loaded().replace(pixeldq=flags)

    def case(self):
        return Case(RefPix(), self.ramp)
