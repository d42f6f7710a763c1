"""What is wrong with a request is said once, for the whole run."""

from types import SimpleNamespace

import pytest

from calcore.errors import PluginBroken, UnknownName, UsageError
from calcore.run import Request
from calcore.run import ready as module


def jobs(*instruments):
    return [
        SimpleNamespace(
            key=name, instrument=name, error=None, stage="1", needs=frozenset(),
            meta=SimpleNamespace(instrument=name, detector=name),
        )
        for name in instruments
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("instruments", "said"),
    [(("ONE", "ONE"), "^There is no"), (("ONE", "TWO"), "^ONE: There is no")],
)
def test_of_several_instruments_the_one_that_lacks_a_setting_is_named(
    monkeypatch, instruments, said
):
    def choose(*_):
        raise UnknownName("slot", "jmp", ["jump"])

    monkeypatch.setattr(module, "choose_pipeline", choose)
    with pytest.raises(UsageError, match=said):
        module.ready(jobs(*instruments), Request())


def test_what_is_wrong_with_one_instrument_s_package_does_not_stop_the_others(monkeypatch):
    def choose(*_):
        raise PluginBroken("calcore-one 1.0 cannot be used")

    monkeypatch.setattr(module, "choose_pipeline", choose)
    ready = module.ready(jobs("ONE"), Request(), writing=False)
    assert [job.key for job in ready.jobs] == ["ONE"]
    assert ready.notes == ()
