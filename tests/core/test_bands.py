"""Bands of rows: the same to the bit for any height and any number of threads."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from calcore.errors import OutputProblem, PluginBroken
from calcore.model import Image, Meta, Ramp, Rate, Window
from calcore.model.reference import Dark
from calcore.run.bands import Chain, Link, Tally, Tiling, collect, with_header
from calcore.run.scratch import ScratchFile, ScratchPlane
from calcore.step import ALONE, Room, Rows, Step


@dataclass(frozen=True, kw_only=True)
class Blur(Step):
    """Sum a pixel and its eight neighbours; what lies outside the frame counts as zero."""

    def rows(self, meta, references):
        return Rows(halo=1)

    def apply(self, ramp: Ramp) -> Ramp:
        padded = np.pad(ramp.data, ((0, 0), (0, 0), (1, 1), (1, 1)))
        rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
        blurred = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
        return ramp.replace(data=np.ascontiguousarray(blurred))


@dataclass(frozen=True, kw_only=True)
class Subtract(Step):
    """Subtract a dark, and count what is negative."""

    def rows(self, meta, references):
        return Rows()

    def apply(self, ramp: Ramp, *, dark: Dark) -> Ramp:
        return ramp.replace(data=ramp.data - dark.data)

    def tally(self, result):
        return {"negative": int((result.data < 0).sum())}

    def header(self, meta, tally):
        return meta.set({"negative": tally["negative"]})


@dataclass(frozen=True)
class Level:
    """Mean of the left column."""

    value: float


@dataclass(frozen=True, kw_only=True)
class Anchor(Step):
    """Subtract the mean of the left column, which is known only when all rows were seen."""

    def rows(self, meta, references):
        return Rows()

    def regions(self, meta, frame):
        return (Window(0, frame.frame_rows, 0, 1, frame.frame_rows, frame.frame_columns),)

    def prepare(self, meta: Meta, parts: Iterator[Ramp]) -> Level:
        return Level(float(next(parts).data.mean()))

    def apply(self, ramp: Ramp, *, level: Level) -> Ramp:
        return ramp.replace(data=ramp.data - np.float32(level.value))


@dataclass(frozen=True)
class Result:
    """What `Fit` returns."""

    rate: Rate
    rateints: Rate


@dataclass(frozen=True, kw_only=True)
class Fit(Step):
    """Last minus first group."""

    def rows(self, meta, references):
        return Rows()

    def apply(self, ramp: Ramp) -> Result:
        slope = ramp.data[:, -1] - ramp.data[:, 0]
        zero = np.zeros(slope.shape, np.float32)
        flags = np.zeros(slope.shape, np.uint32)
        ints = Rate(meta=ramp.meta, data=slope, err=zero, dq=flags, window=ramp.window)
        mean = ints.replace(data=slope.mean(axis=0), err=zero[0], dq=flags[0])
        return Result(mean, ints)


@dataclass(frozen=True, kw_only=True)
class Double(Step):
    """Works on rates, after a step that returns two of them."""

    def rows(self, meta, references):
        return Rows()

    def apply(self, rate: Rate) -> Rate:
        return rate.replace(data=rate.data * 2)


SHAPE = (2, 3, 23, 5)


@pytest.fixture
def ramp():
    data = np.random.default_rng(1).normal(100, 20, SHAPE).astype(np.float32)
    return Ramp(
        meta=Meta({"exposure.ngroups": 3}),
        data=data,
        groupdq=np.zeros(SHAPE, np.uint8),
        pixeldq=np.zeros(SHAPE[2:], np.uint32),
    )


@pytest.fixture
def dark():
    data = np.random.default_rng(2).normal(90, 3, SHAPE[1:]).astype(np.float32)
    return Dark(meta=Meta(), data=data, dq=np.zeros(SHAPE[2:], np.uint32))


def chain(ramp, dark, *, with_fit=True):
    made = Chain(ramp)
    links = [Link("blur", Blur(), rows=Rows(halo=1)), Link("subtract", Subtract(), {"dark": dark})]
    links += [Link("blur2", Blur(), rows=Rows(halo=1)), Link("anchor", Anchor())]
    if with_fit:
        links += [Link("fit", Fit()), Link("double", Double())]
    for link in links:
        made = made.then(link)
    return made


def rows(height):
    return Tiling(height, SHAPE[-1], SHAPE[-1])


@pytest.mark.parametrize("height", [1, 7, 16, 23, 100])
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_any_tile_and_thread_count_gives_the_same_bits(ramp, dark, height, width, threads):
    whole = Blur()(ramp)
    whole = Anchor()(Blur()(Subtract()(whole, dark=dark)))
    expected = Fit().apply(whole)
    tally = Tally()
    result = collect(chain(ramp, dark), Tiling(height, width, 2 * width), threads, tally)
    assert np.array_equal(result.rate.data, 2 * expected.rate.data)
    assert np.array_equal(result.rateints.data, 2 * expected.rateints.data)
    counted = Subtract()(Blur()(ramp), dark=dark)
    assert tally.counts["subtract"]["negative"] == int((counted.data < 0).sum())


def test_counts_reach_the_header(ramp, dark):
    tally = Tally()
    link = Link("subtract", Subtract(), {"dark": dark})
    result = with_header(collect(Chain(ramp).then(link), rows(4), 1, tally), link, tally)
    assert result.meta["negative"] == int((ramp.data - dark.data < 0).sum()) > 0


def test_a_column_window_is_what_the_whole_frame_has_there(ramp, dark):
    made = chain(ramp, dark, with_fit=False)
    whole = collect(made, rows(23), 1, Tally())
    window = Window(5, 9, 1, 3, 23, 5)
    assert np.array_equal(made.read(window).data, whole.data[..., 5:9, 1:3])


def test_frames_beyond_the_memory_budget_lie_in_a_file_and_read_the_same(ramp, dark):
    made = chain(ramp, dark, with_fit=False)
    kept = collect(made, rows(6), 2, Tally())
    spilled = collect(made, rows(6), 2, Tally(), memory_budget=100)
    assert isinstance(spilled.data, ScratchPlane)
    assert isinstance(spilled.groupdq, ScratchPlane)
    assert isinstance(spilled.pixeldq, np.ndarray)
    window = Window(3, 20, 1, 4, 23, 5)
    assert np.array_equal(spilled.cut(window).data, kept.cut(window).data)
    assert np.array_equal(spilled.cut(window).groupdq, kept.cut(window).groupdq)
    again = collect(Chain(spilled).then(Link("fit", Fit())), rows(4), 2, Tally())
    assert np.array_equal(again.rate.data, Fit().apply(kept).rate.data)


@pytest.fixture
def image(ramp):
    planes = {name: np.arange(115, dtype="f4").reshape(23, 5) for name in ("data", "err")}
    return Image(meta=ramp.meta, dq=np.zeros((23, 5), "u4"), **planes)


def test_planes_of_an_image_lie_in_files_if_there_is_no_room_for_all(image):
    size = 3 * image.data.nbytes
    kept = collect(Chain(image), rows(6), 1, Tally(), memory_budget=size)
    spilled = collect(Chain(image), rows(6), 2, Tally(), memory_budget=size - 1)
    for name in ("data", "err", "dq"):
        assert isinstance(getattr(kept, name), np.ndarray)
        assert isinstance(getattr(spilled, name), ScratchPlane)
        assert np.array_equal(getattr(spilled, name), getattr(image, name))


def test_bands_are_as_high_as_all_planes_of_a_pixel_allow(ramp, image):
    n_int, n_group = ramp.data.shape[:2]
    assert Chain(ramp).bytes_per_pixel == 5 * n_int * n_group + 4
    assert Chain(image).bytes_per_pixel == 12


def test_small_planes_stay_in_memory(ramp):
    # Four bytes of a sample are in `data`, one is in `groupdq`.
    size = ramp.data.nbytes + ramp.groupdq.nbytes
    for budget, in_files in (
        (size + ramp.pixeldq.nbytes, []),
        (size - 1, ["data"]),
        (9, ["data", "groupdq"]),
    ):
        whole = collect(Chain(ramp), rows(6), 1, Tally(), memory_budget=budget)
        planes = {name: getattr(whole, name) for name in ("data", "groupdq", "pixeldq")}
        assert [
            name for name, plane in planes.items() if isinstance(plane, ScratchPlane)
        ] == in_files
        for name, plane in planes.items():
            assert np.array_equal(plane, getattr(ramp, name))


class TestScratchPlanes:
    @pytest.fixture
    def values(self, rng):
        return rng.integers(0, 99, (3, 4, 7, 5)).astype(np.uint8)

    @pytest.fixture
    def plane(self, values, tmp_path):
        made = ScratchPlane(values.shape, values.dtype, ScratchFile(tmp_path))
        for window in reversed(list(Window.whole(7, 5).tiles(3, 2))):
            made.put(values[..., window.rows, window.columns], window)
        return made

    @pytest.mark.parametrize(
        "index",
        [
            ..., 1, (2, 3), (0, slice(1, 3)), (..., slice(2, 6), slice(1, 4)),
            (1, ..., slice(0, 2), slice(0, 5)), (slice(1, 3), 2, 4, slice(2, 3)),
        ],
    )  # fmt: skip
    def test_they_are_read_like_arrays(self, plane, values, index):
        assert np.array_equal(plane[index], values[index])
        assert plane[index].shape == values[index].shape

    def test_a_place_that_takes_no_file_is_named(self, values, tmp_path, monkeypatch):
        said = r"takes no scratch data \(No such file or directory\); free some room, or set TMPDIR"
        with pytest.raises(OutputProblem, match=rf"absent: {said}"):
            ScratchFile(tmp_path / "absent")
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
        with pytest.raises(OutputProblem, match=rf"gone: {said}"):
            ScratchPlane(values.shape, values.dtype)

    def test_an_integration_is_replaced(self, plane, values):
        plane[1] = values[2]
        values[1] = values[2]
        assert np.array_equal(np.asarray(plane), values)

    def test_they_are_filled_group_by_group(self, values, tmp_path):
        plane = ScratchPlane(values.shape, values.dtype, ScratchFile(tmp_path)).lay_out(3)
        for place in np.ndindex(2, 4):
            plane[place] = values[place]
        values[2] = 0  # what nobody has written
        assert np.array_equal(np.asarray(plane), values)
        assert np.array_equal(plane[1, 1:3, 2:4], values[1, 1:3, 2:4])

    def test_what_is_not_there_is_refused(self, plane):
        for index in (3, (..., slice(0, 7, 2), slice(None)), -1):
            with pytest.raises(IndexError, match="has no part"):
                plane[index]
        with pytest.raises(ValueError, match="without being copied"):
            np.asarray(plane, copy=False)


@pytest.mark.parametrize(
    ("kind", "waiting", "most"), [(iter, 1 << 20, 1), (tuple, 1 << 20, 2), (tuple, 100, 1)]
)
def test_parts_that_are_not_asked_for_are_computed_only_where_all_are_promised(
    ramp, kind, waiting, most, monkeypatch
):
    """And where they are small enough to wait."""
    monkeypatch.setattr("calcore.run.bands._WAITING", waiting)
    seen = []

    @dataclass(frozen=True, kw_only=True)
    class Spy(Step):
        """Notes what is computed."""

        def rows(self, meta, references):
            return Rows()

        def apply(self, ramp: Ramp) -> Ramp:
            seen.append(ramp.frame.row_start)
            return ramp

    @dataclass(frozen=True, kw_only=True)
    class Early(Anchor):
        """Looks at the first part only."""

        def regions(self, meta, frame):
            return kind([frame.with_rows(row, row + 1) for row in range(frame.frame_rows)])

        def prepare(self, meta: Meta, parts: Iterator[Ramp]) -> Level:
            return Level(float(next(parts).data.mean()))

    Chain(ramp).then(Link("spy", Spy())).then(Link("early", Early(), room=Room(2)))
    assert 0 in seen
    assert len(seen) <= most


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_frame_wide_parts_use_the_threads_there_are(ramp, threads):
    @dataclass(frozen=True, kw_only=True)
    class Asking(Anchor):
        """Looks at all rows, and keeps how many threads there are."""

        def regions(self, meta, frame):
            return [frame.with_rows(row, row + 1) for row in range(frame.frame_rows)]

        def prepare(self, meta: Meta, parts: Iterator[Ramp], *, room: Room = ALONE) -> Level:
            assert [part.frame.row_start for part in parts] == list(range(SHAPE[2]))
            return Level(room.threads)

    link = Link("asking", Asking(), room=Room(threads))
    blur = Link("blur", Blur(), rows=Rows(halo=1))
    assert Chain(ramp).then(blur).then(link).links[-1].given["level"].value == threads
    assert Asking()(ramp).data.max() == ramp.data.max() - 1  # by hand


def test_what_lies_in_memory_is_not_copied_for_steps_that_take_any_parts(ramp):
    parts = []

    @dataclass(frozen=True, kw_only=True)
    class Indifferent(Anchor):
        """Looks at all rows, in whatever parts."""

        any_parts = True

        def regions(self, meta, frame):
            return [frame.with_rows(row, row + 1) for row in range(frame.frame_rows)]

        def prepare(self, meta: Meta, parts_: Iterator[Ramp]) -> Level:
            parts[:] = parts_
            return Level(0.0)

    Chain(ramp).then(Link("any", Indifferent()))
    assert [part.frame for part in parts] == [ramp.frame]
    assert np.shares_memory(parts[0].data, ramp.data)
    Chain(ramp).then(Link("double", Double())).then(Link("any", Indifferent()))
    assert len(parts) == SHAPE[2]  # small parts, where steps before have to make them


def test_steps_called_by_hand_give_what_the_chain_gives(ramp, dark):
    by_hand = Subtract()(ramp, dark=dark)
    assert by_hand.meta["negative"] == int((by_hand.data < 0).sum())
    assert np.array_equal(by_hand.data, ramp.data - dark.data)


@dataclass(frozen=True, kw_only=True)
class RowMedians(Step):
    """Subtract the median of each row."""

    def rows(self, meta, references):
        return Rows(whole=True)

    def apply(self, ramp: Ramp) -> Ramp:
        return ramp.replace(data=ramp.data - np.median(ramp.data, axis=-1, keepdims=True))


@dataclass(frozen=True, kw_only=True)
class Loses(Step):
    """Give back whatever it is told, which is no record."""

    def rows(self, meta, references):
        return Rows()

    def apply(self, ramp: Ramp) -> Ramp:
        return GIVEN["back"]


GIVEN = {}
"""What it is told."""


@pytest.mark.parametrize(
    ("lost", "shown"),
    [
        (None, "gives back None, where"),
        (3, r"gives back 3 \(int\), where"),
        (Rate, r"gives back <class .*Rate'> \(type\), where"),
        (Level(2.0), r"gives back Level\(value=2.0\) \(Level\), where"),
        ("long " * 40, "gives back 'long .*… .str., where"),
    ],
    ids=["nothing", "a number", "a class", "no record in it", "long"],
)
def test_a_step_that_gives_back_no_record_is_named_itself(ramp, monkeypatch, lost, shown):
    monkeypatch.setitem(GIVEN, "back", lost)
    chain = Chain(ramp).then(Link("loses", Loses())).then(Link("blur", Blur(), rows=Rows(halo=1)))
    with pytest.raises(PluginBroken, match=f"Loses.apply of .*test_bands {shown}"):
        chain.read(ramp.frame)
    with pytest.raises(PluginBroken, match=f"Loses.apply of .*test_bands {shown}"):
        Loses()(ramp)


def test_rows_stay_whole_for_a_step_that_needs_them(ramp):
    """For bands, for the parts that a later step looks at first, and for any length of a series."""

    @dataclass(frozen=True, kw_only=True)
    class Corner(Anchor):
        """Looks at a corner first."""

        def regions(self, meta, frame):
            return (Window(0, 2, 0, 2, frame.frame_rows, frame.frame_columns),)

    medians = Link("medians", RowMedians(), rows=RowMedians().rows(ramp.meta, {}))
    made = Chain(ramp).then(medians).then(Link("corner", Corner()))
    assert made.whole_rows
    expected = RowMedians()(ramp).data
    expected = expected - expected[..., :2, :2].mean()
    tiling = Tiling.of(made.frame, 5 * 10**6, made.halo, whole_rows=made.whole_rows)
    assert tiling.columns == tiling.reading == made.frame.frame_columns
    found = collect(made, tiling, 2, Tally()).data
    np.testing.assert_allclose(found, expected, rtol=1e-6)


class TestTilings:
    def test_few_samples_make_bands_of_whole_rows(self):
        tiling = Tiling.of(Window.whole(2048, 2048), 5 * 10, 3)
        assert tiling == Tiling.bands(Window.whole(2048, 2048), 61)

    def test_high_halos_make_bands_higher_as_long_as_they_stay_small(self):
        for samples, halo, rows in (
            (40, 0, 30),
            (40, 3, 30),
            (40, 4, 64),
            (40, 8, 71),
            (10, 4, 121),
        ):
            tiling = Tiling.of(Window.whole(1024, 1032), 5 * samples, halo)
            assert tiling == Tiling.bands(Window.whole(1024, 1032), rows)

    def test_long_series_make_tiles_of_one_size(self):
        tiling = Tiling.of(Window.whole(32, 2048), 5 * 720, 3)
        assert tiling == Tiling(rows=32, columns=64, reading=256)

    @pytest.mark.parametrize("integrations", [50, 500, 5000])
    def test_rows_of_the_longest_series_are_read_eight_times_at_most(self, integrations):
        tiling = Tiling.of(Window.whole(256, 2048), 5 * 5 * integrations, 4)
        assert tiling.reading * 8 >= 2048
        assert tiling.columns < 200

    @pytest.mark.parametrize("frame", [(256, 2048), (4, 40), (1, 1), (100, 3)])
    @pytest.mark.parametrize("samples", [1, 700, 100_000])
    def test_any_frame_is_covered_and_tiles_are_some_halos_wide(self, frame, samples):
        whole = Window.whole(*frame)
        tiling = Tiling.of(whole, 5 * samples, 2)
        assert tiling.reading % tiling.columns == 0
        assert min(tiling.columns, tiling.rows) >= min(*frame, 8)
        parts = [tile for part in whole.tiles(tiling.rows, tiling.reading)
                 for tile in part.tiles(tiling.rows, tiling.columns)]  # fmt: skip
        assert sum(tile.shape[0] * tile.shape[1] for tile in parts) == frame[0] * frame[1]
