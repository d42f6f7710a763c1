"""What is noticed while a product is made: flags, warnings, memory, chains."""

import logging
import mmap
import threading
import warnings

import numpy as np
import pytest

import calcore.run.watch as watch_module
from calcore.flags import DQ
from calcore.kernels.flag_counts import count_new_flags
from calcore.model import Group, Image, Meta, Window
from calcore.run import Silence, SlotOutcome, Status
from calcore.run.flagged import added, joined
from calcore.run.outcome import Notice
from calcore.run.watch import Memory, Recorder, at_work, warnings_gathered

MIB = 1 << 20


@pytest.mark.parametrize("kind", [np.uint8, np.uint32])
@pytest.mark.parametrize("size", [(7, 9), (8, 6), (40, 67)])
def test_only_what_is_new_is_counted_bit_by_bit(rng, size, kind):
    before = rng.integers(0, np.iinfo(kind).max, (2, 3, *size)).astype(kind)
    after = rng.integers(0, np.iinfo(kind).max, before.shape).astype(kind)
    rows, columns = slice(2, size[0] - 1), slice(1, size[1])
    part = (after & ~before)[..., rows, columns]
    expected = [np.count_nonzero(part & (1 << bit)) for bit in range(8 * part.itemsize)]
    assert count_new_flags(before, after, rows, columns).tolist() == expected
    assert not count_new_flags(after, after, rows, columns).any()


def test_the_highest_of_32_bits_is_counted_too():
    before = np.zeros((2, 3), np.uint32)
    after = np.array([[1 << 31, 0, 1], [0, 1 << 31, 0]], np.uint32)
    counts = count_new_flags(before, after, slice(0, 2), slice(0, 3))
    assert (counts[31], counts[0], counts.sum()) == (2, 1, 3)


def test_samples_and_pixels_are_told_apart(detector_ramp):
    ramp = detector_ramp(np.zeros((1, 3, 4, 5)))
    groupdq, pixeldq = ramp.groupdq.copy(), ramp.pixeldq.copy()
    groupdq[0, 1:, 2, 2] = DQ.JUMP_DET
    pixeldq[0, 0] = DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE
    found = added(ramp, ramp.replace(groupdq=groupdq, pixeldq=pixeldq))
    assert found == {
        "samples": {"JUMP_DET": 2}, "pixels": {"DO_NOT_USE": 1, "NO_GAIN_VALUE": 1},
    }  # fmt: skip
    assert added(ramp, ramp) == {}


def test_the_halo_does_not_count(detector_ramp):
    ramp = detector_ramp(np.zeros((1, 3, 4, 5)))
    after = ramp.replace(groupdq=np.full_like(ramp.groupdq, DQ.SATURATED))
    window = Window.whole(4, 5).with_rows(1, 3)
    assert added(ramp, after, window) == {"samples": {"SATURATED": 3 * 2 * 5}}


def image(dq):
    dq = np.asarray(dq, np.uint32)
    plane = np.zeros(dq.shape, np.float32)
    return Image(meta=Meta({}), data=plane, err=plane, dq=dq)


def test_the_members_of_a_set_add_up():
    one, two = image([[0, 1]]), image([[0, 0]])
    after = [member.replace(dq=member.dq | np.uint32(DQ.OUTLIER)) for member in (one, two)]
    found = added(Group("g", (one, two)), Group("g", tuple(after)))
    assert found == {"pixels": {"OUTLIER": 4}}
    assert added(Group("g", (one, two)), after[0]) == {}


def test_of_a_set_each_member_is_compared_with_itself_when_one_is_left_out():
    members = [
        own.replace(meta=Meta({"filename": f"{name}_cal.fits"}))
        for name, own in (("one", image([[0, 1]])), ("two", image([[0, 0]])))
    ]
    group = Group("g", tuple(members))
    assert added(group, group.with_members(members[1:])) == {}
    after = members[1].replace(dq=members[1].dq | np.uint32(DQ.OUTLIER))
    assert added(group, group.with_members([after])) == {"pixels": {"OUTLIER": 2}}


def test_frames_of_another_size_are_not_compared():
    assert added(image([[0, 0]]), image([[1]])) == {}


def test_planes_in_files_are_looked_at_frame_by_frame(detector_ramp):
    class InFile:
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype

        def __getitem__(self, place):
            assert len(place) == 2, "read a frame at a time"
            return self.array[place]

    ramp = detector_ramp(np.zeros((2, 3, 4, 5)))
    flags = np.full(ramp.groupdq.shape, DQ.JUMP_DET, np.uint8)
    after = ramp.replace(groupdq=InFile(flags))
    assert added(ramp, after) == {"samples": {"JUMP_DET": flags.size}}


def test_counts_of_bands_are_joined():
    total = {"samples": {"JUMP_DET": 1}}
    joined(total, {"samples": {"JUMP_DET": 2, "SATURATED": 3}, "pixels": {"DEAD": 4}})
    assert total == {"samples": {"JUMP_DET": 3, "SATURATED": 3}, "pixels": {"DEAD": 4}}


@pytest.mark.filterwarnings("always")
def test_warnings_are_gathered_once_with_the_step_at_work(monkeypatch, caplog):
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
    with warnings_gathered("one") as notices, at_work("one"), at_work("one", "jump"):
        for _ in range(2):
            warnings.warn("odd\n header", UserWarning, stacklevel=1)
            logging.getLogger("calcore.x").warning("a %s", "word")
            logging.getLogger("calcore.x").info("no matter")
            logging.getLogger("elsewhere").warning("not ours")
    logging.getLogger("calcore.x").warning("afterwards")
    assert notices == [
        Notice("odd header", "UserWarning", "jump"), Notice("a word", "calcore.x", "jump"),
    ]  # fmt: skip
    assert shown == ["odd\n header"] * 2  # as before
    assert caplog.text.count("a word") == 2


@pytest.mark.filterwarnings("always")
def test_products_that_are_made_at_once_do_not_share_warnings(monkeypatch):
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
    mine = warnings.showwarning
    gathered = {}
    both = threading.Barrier(2)

    def work(name):
        with warnings_gathered(name, shown=name == "one") as notices, at_work(name):
            both.wait(10)
            warnings.warn(f"of {name}", UserWarning, stacklevel=1)
            both.wait(10)
        gathered[name] = [notice.message for notice in notices]

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert gathered == {"one": ["of one"], "two": ["of two"]}
    assert shown == ["of one"]
    assert warnings.showwarning is mine


def test_who_configures_no_log_still_sees_warnings(monkeypatch, capsys):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with warnings_gathered("one") as notices, at_work("one"):
        logging.getLogger("calcore.x").warning("mind the gap")
    with warnings_gathered("two", shown=False), at_work("two"):
        logging.getLogger("calcore.x").warning("told by others")
    assert [notice.message for notice in notices] == ["mind the gap"]
    assert capsys.readouterr().err == "mind the gap\n"


@pytest.mark.skipif(not watch_module._held(), reason="the system does not tell")
def test_the_peak_of_memory_is_that_since_the_last_question():
    with Memory() as memory:
        low = memory.take()
        with mmap.mmap(-1, 64 * MIB) as block:  # the system has it back at once, unlike an array's
            for start in range(0, 64 * MIB, 4096):
                block[start] = 1
            high = memory.take()
        memory.take()
        again = memory.take()
    assert high - low > 48 * MIB  # the system may take back what others of this process held
    assert again < high - 48 * MIB
    assert not any(thread.name == "memory" for thread in threading.enumerate())


@pytest.fixture
def levels(monkeypatch):
    """What the system says of memory; each time that `Memory` looks, it says so and waits."""

    class Levels:
        def __init__(self):
            self.now = {"VmRSS": 100, "VmHWM": 900}
            self.read, self.told = threading.Semaphore(0), threading.Semaphore(0)

        def __call__(self, name):
            level = self.now[name]
            if threading.current_thread().name == "memory":
                self.read.release()
                self.told.acquire(timeout=10)
            return level

    levels = Levels()
    monkeypatch.setattr(watch_module, "_status", levels)
    return levels


def test_a_peak_between_two_questions_is_told_by_the_first_of_them_alone(levels):
    with Memory() as memory:
        levels.now["VmRSS"] = 500
        for _ in range(2):  # the first look may have been before
            assert levels.read.acquire(timeout=10)
            levels.told.release()
        assert levels.read.acquire(timeout=10)
        levels.now["VmRSS"] = 200  # while it looks, and has not told yet
        later = threading.Timer(0.1, levels.told.release)
        later.start()
        assert memory.take() == 500
        later.join()
        levels.told.release(1000)
        assert memory.take() == 200
        levels.now["VmHWM"] = 950
        assert memory.take() == 950
        assert memory.take() == 200


def test_a_system_that_does_not_tell_is_no_reason_to_fail(monkeypatch):
    monkeypatch.setattr(watch_module, "_status", lambda _name: 0)
    monkeypatch.setattr(watch_module.sys, "platform", "other")
    with Memory() as memory:
        assert memory.take() is None


def test_steps_that_share_bands_make_one_chain():
    class Told(Silence):
        def __init__(self):
            self.steps = []

        def slot_finished(self, product, outcome):
            self.steps.append((product, outcome.name))

    told = Told()
    with Memory() as memory:
        recorder = Recorder(told, memory)
        recorder.slot_finished("p", SlotOutcome("group_scale", Status.SKIPPED))
        recorder.slot_started("p", "dq_init … jump")
        for name, status in (("dq_init", "COMPLETE"), ("ipc", "SKIPPED"), ("jump", "COMPLETE")):
            recorder.slot_finished("p", SlotOutcome(name, Status[status]))
        recorder.slot_started("p", "resample")
        recorder.slot_finished("p", SlotOutcome("resample", Status.COMPLETE))
        recorder.mark()
    assert [chain.slots for chain in recorder.chains] == [("dq_init", "jump"), ("resample",), ()]
    assert all(chain.seconds >= 0 for chain in recorder.chains)
    assert [name for _, name in told.steps] == ["group_scale", "dq_init", "ipc", "jump", "resample"]
