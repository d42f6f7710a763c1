"""What a call asks for is checked before anything is looked at."""

from pathlib import Path

import pytest

import calcore
from calcore.errors import FileInvalid, UnknownName, UsageError
from calcore.run import Request, plan, run, step
from calcore.run.request import octets


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"inputs": 3}, "inputs must be paths, not 3"),
        ({"inputs": b"raw"}, "inputs must be paths, not b'raw'"),
        ({"inputs": [3]}, "inputs must be a path, not 3"),
        ({"inputs": []}, "inputs must be at least one path"),
        ({"output": 3}, "output must be a path, not 3"),
        ({"config": {}}, "config must be a path"),
        ({"stage": "4"}, "stage must be 1, 2, 3 or all, not '4'"),
        ({"instrument": 3}, "instrument must be a text that is not empty, not 3"),
        ({"profile": None}, "profile must be a text, not None"),
        ({"skip": 3}, "skip must be names"),
        ({"save": ["jump", 3]}, "save must be names"),
        ({"jobs": 0}, "jobs must be a number above 0, not 0"),
        ({"jobs": True}, "jobs must be a number above 0, not True"),
        ({"band_rows": -3}, "band_rows must be a number above 0, not -3"),
        (
            {"memory_budget": 0},
            "memory_budget must be a number of bytes above 0, or a text such as",
        ),
        ({"memory_budget": "lots"}, "such as '4GB', not 'lots'"),
        ({"overwrite": "no"}, "overwrite must be True or False, not 'no'"),
        ({"settings": ["jump.skip"]}, "settings must be a mapping of names to values"),
        ({"references": {"dark": None}}, "references must be a mapping of types to files"),
    ],
)
@pytest.mark.parametrize("asked", [run, plan, lambda *a, **k: step("jump", *a, **k)])
def test_wrong_values_are_refused_by_name(asked, wishes, message):
    with pytest.raises(UsageError, match=message):
        asked(**{"inputs": ".", **wishes})


def test_memory_is_a_number_of_bytes_or_a_text():
    told = {"4GB": 4 * 10**9, "512 MiB": 512 << 20, "1.5G": 15 * 10**8, "70000": 70000, 7: 7}
    assert [octets(budget) for budget in told] == list(told.values())


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match=r"no option 'stgae'\. Did you mean 'stage'"):
        run(".", stgae="1")


def test_a_step_is_called_by_its_name():
    with pytest.raises(UsageError, match="called by its name, not None"):
        step(None, ".")


def test_one_word_is_one_name_and_a_number_is_a_stage(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("calcore.run.facade._run", lambda request, *_, **__: asked.append(request))
    run(tmp_path, skip="jump", stage=1)
    assert asked == [Request(inputs=(tmp_path,), skip=("jump",), stage="1")]


def test_what_is_no_exposure_is_not_opened_as_one(tmp_path):
    path = tmp_path / "all_cat.ecsv"
    path.write_text("# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\na\n1\n")
    with pytest.raises(FileInvalid, match="is a catalogue; read it with"):
        calcore.open(path)
    with pytest.raises(UsageError, match="path must be a path, not None"):
        calcore.open(None)
    with pytest.raises(FileInvalid, match="is a folder"):
        calcore.open(Path(tmp_path))
