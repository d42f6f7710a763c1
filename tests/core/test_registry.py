"""Files of steps, requirements of packages, and hooks that fail."""

import logging
from types import SimpleNamespace

import pytest
from stevedore.exception import NoMatches

from calcore import pipeline as pipelines
from calcore.errors import BadPipeline, PluginBroken, UnknownName, UsageError
from calcore.model import Meta, Ramp
from calcore.registry import discovery, installed, local
from calcore.registry.manager import manager, named
from calcore.registry.questions import References, build_pipeline
from calcore.registry.steps import step_class
from calcore.step import Step

STEP = '''
"""A step."""
from dataclasses import dataclass
from calcore.hooks import hookimpl
from calcore.model import Ramp
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class DoNothing(Step):
    """Do nothing."""

    def apply(self, ramp: Ramp) -> Ramp:
        return ramp
'''


@pytest.fixture(autouse=True)
def forgotten():
    """Files are known to a process for good, but not beyond a test."""
    yield
    local.forget()


def written(folder, name="mine.py", text=STEP):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_brings_its_steps_under_its_name(tmp_path):
    assert named([str(written(tmp_path))]) == ("mine.py",)
    found = discovery.found("calcore.steps", "mine.do_nothing")
    assert found.distribution == "mine.py"
    assert len(found.version) == 12
    assert issubclass(step_class("mine.do_nothing"), Step)


def test_a_file_that_has_changed_is_read_again(tmp_path):
    named([str(written(tmp_path))])
    before = discovery.found("calcore.steps", "mine.do_nothing").version
    path = written(tmp_path, text=STEP.replace("DoNothing", "DoLittle"))
    named([str(path)])
    assert discovery.found("calcore.steps", "mine.do_little").version != before
    with pytest.raises(UnknownName, match="do_nothing"):
        discovery.found("calcore.steps", "mine.do_nothing")


def test_a_folder_brings_its_files_but_those_with_an_underscore(tmp_path):
    for name in ("one.py", "two.py", "_help.py"):
        written(tmp_path / "steps", name)
    assert named([f"{tmp_path}/steps"]) == ("one.py", "two.py")


def test_a_bare_word_names_a_folder_unless_a_package_is_called_so(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "mine")
    assert named(["mine"]) == ("mine.py",)
    assert caplog.messages == []
    (tmp_path / "calcore").mkdir()
    assert named(["calcore"]) == ("calcore",)
    assert caplog.messages == []  # which holds no steps
    written(tmp_path / "calcore")
    assert named(["calcore"]) == ("calcore",)
    (said,) = caplog.messages
    assert said.startswith("calcore means the installed calcore ")
    assert said.endswith("; for the folder of that name say ./calcore")


def test_a_package_that_is_not_installed_says_how_it_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "pyproject.toml").write_text("")
    with pytest.raises(UsageError, match=r"holds a package's source: pip install -e acme$"):
        named(["acme"])


def test_a_file_does_not_pass_for_core(tmp_path):
    with pytest.raises(PluginBroken, match=r"calcore\.py brings would be taken for calcore's own"):
        named([str(written(tmp_path, "calcore.py"))])


def test_two_files_of_one_name_are_refused(tmp_path):
    first, second = (written(tmp_path / name) for name in ("a", "b"))
    named([str(first)])
    with pytest.raises(PluginBroken, match=r"two files of steps are called mine\.py"):
        named([str(second)])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1", "brings no step and no hook"),
        ("raise SystemExit('gone')", "cannot be imported: SystemExit: gone"),
        ("def (", "cannot be imported: SyntaxError"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(tmp_path, text, sentence):
    with pytest.raises(PluginBroken, match=sentence):
        named([str(written(tmp_path, text=text))])


@pytest.mark.parametrize(
    ("word", "kind", "sentence"),
    [
        ("./nowhere.py", UsageError, "is no file of steps"),
        ("calcore-mars", UnknownName, "There is no installed package with hooks 'calcore-mars'"),
        ("calcore>=7", UsageError, "calcore>=7 is asked for, but calcore"),
        ("what is this", UsageError, "names no package"),
    ],
)
def test_a_word_that_names_nothing_is_refused(word, kind, sentence):
    with pytest.raises(kind, match=sentence):
        named([word])


def test_requirements_are_compared_with_what_is_installed():
    assert installed.misfit("acme 1.0", ("numpy", "calcore>=0.1")) == ""
    assert "acme 1.0 needs calcore>=7, but" in installed.misfit("acme 1.0", ("calcore>=7",))
    wanted = ["numpy", "gone-library>=2", "dask; extra == 'cluster'", "numpy>=1000"]
    assert installed.lacking(wanted) == ["gone-library>=2", "numpy>=1000"]


def test_a_hook_that_watches_may_fail_and_one_that_answers_may_not(tmp_path, caplog):
    hooks = '''
"""Hooks that fail."""
from calcore.errors import UsageError
from calcore.hooks import hookimpl


@hookimpl
def calcore_run_finished():
    raise ValueError("tired")


@hookimpl
def calcore_step_failed():
    raise UsageError("tired too")


@hookimpl
def calcore_mask():
    raise ValueError("blind")
'''
    made = manager(*named([str(written(tmp_path, "tired.py", hooks))]))
    with caplog.at_level(logging.ERROR):
        made.hook.calcore_run_finished(result=None)
        made.hook.calcore_step_failed(slot="", product="", meta=None, error=ValueError())
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("calcore_run_finished of tired.py ")
    assert "UsageError: tired too" in said[1]
    with pytest.raises(
        PluginBroken, match=r"calcore_mask of tired\.py \w+ failed: ValueError: blind"
    ):
        made.hook.calcore_mask(meta=None, references=None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@hookimpl\ndef calcore_mask(weather):\n    pass\n", "do not fit calcore's"),
        ("@hookimpl\ndef calcore_maks(meta):\n    pass\n", "do not fit calcore's"),
    ],
    ids=["argument", "name"],
)
def test_a_hook_that_nobody_asks_for_is_refused(tmp_path, text, sentence):
    path = written(tmp_path, "odd.py", f"from calcore.hooks import hookimpl\n{text}")
    with pytest.raises(PluginBroken, match=sentence):
        manager(*named([str(path)]))


def test_packages_alter_references_one_after_the_other(tmp_path):
    text = """
from calcore.hooks import hookimpl


@hookimpl
def calcore_alter_reference(type, reference):
    if type == "gain":
        return reference.replace(data=reference.data * FACTOR)
"""
    words = [str(written(tmp_path, f"by{n}.py", text.replace("FACTOR", n))) for n in ("2", "3")]
    from calcore.model.reference import Gain
    from calcore.testing import a_reference

    find = References(manager(*named(words)))
    reference, by = find.altered("gain", Meta({}), a_reference(Gain))
    assert float(reference.data[0, 0]) == 2.0 * 2 * 3
    assert [source.split()[0] for source in by] == ["by2.py", "by3.py"]
    odd = text.replace('"gain"', '"flat"').replace(
        "reference.replace(data=reference.data * FACTOR)", "3"
    )
    find = References(manager(*named([str(written(tmp_path, "odd.py", odd))])))
    with pytest.raises(PluginBroken, match="gives int in place of Gain"):
        find.altered("flat", Meta({}), a_reference(Gain))


def test_two_packages_must_not_edit_one_slot():
    slots = tuple(pipelines.Slot(name, name, name) for name in ("a", "b"))
    made = pipelines.Pipeline("p", "1", slots)
    owners = {}
    made = pipelines.edited(made, {"edit": [{"replace": "a", "use": "x.a"}]}, "x", owners)
    with pytest.raises(BadPipeline, match="'a' is edited by x and by y; choose one"):
        pipelines.edited(made, {"edit": [{"drop": "a"}]}, "y", owners)


class _NoStep:
    pass


class _NoDataclass(Step):
    def apply(self, ramp: Ramp) -> Ramp:
        return ramp


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(_NoStep, "_NoStep is not a calcore Step"), (_NoDataclass, "is not a frozen, keyword-only")],
)
def test_a_class_that_is_no_step_is_refused(monkeypatch, kind, sentence):
    monkeypatch.setattr(discovery, "load", lambda _group, _name: kind)
    with pytest.raises(PluginBroken, match=f"step 'jump' of calcore .*{sentence}"):
        step_class("jump")


def test_every_installed_step_can_be_used():
    for item in discovery.names("calcore.steps"):
        assert issubclass(step_class(item.name), Step)


def test_what_stevedore_has_not_heard_of_is_loaded_all_the_same(monkeypatch):
    def none(*_, **__):
        raise NoMatches("its list is older than what is installed")

    monkeypatch.setattr(discovery, "DriverManager", none)
    assert discovery.load("calcore.pipelines", "image3").is_file()


def test_a_package_that_is_to_be_passed_over_and_is_not_there_is_told(monkeypatch, caplog):
    monkeypatch.setenv(installed.OFF, "Calcore_Miri calcore-mirri")
    found = {item.distribution: item.off for item in installed.packages.__wrapped__()}
    assert found["calcore-miri"]
    assert not found["calcore"]
    (said,) = caplog.messages
    assert said == (
        "CALCORE_WITHOUT: There is no installed package 'calcore-mirri'. Did you mean 'calcore-miri'?"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("slot", "calcore-x 1.0 cannot be used: calcore-x detector1 is not TOML"),
        ('extends = "detector1"\nset.jmp.skip = true', r"There is no slot .* Did you mean 'jump'"),
        ('extends = "detector1"\nset.jump.skip = 1', "jump.skip must be true or false, not 1"),
    ],
)
def test_a_package_s_pipeline_that_cannot_be_is_its_fault(tmp_path, text, sentence):
    (tmp_path / "detector1.toml").write_text(text)
    broken = SimpleNamespace(
        file=lambda *parts: tmp_path / parts[-1], distribution="calcore-x", version="1.0"
    )
    with pytest.raises(PluginBroken, match=sentence):
        build_pipeline("detector1", broken, Meta({}), manager(), "default", "X_IMAGE")
