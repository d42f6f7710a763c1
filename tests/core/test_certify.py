"""What ``calcore plugins check`` finds wrong with steps."""

import pytest

from calcore.errors import PluginBroken, UsageError
from calcore.registry import local
from calcore.testing.certify import certify
from calcore.testing.scrutiny import looked_at, things

STEP = '''
"""A step in a file."""
from dataclasses import dataclass
from typing import Annotated
import os
import numpy as np
from calcore.model import Image, Ramp
from calcore.parameters import Doc, Unit
from calcore.step import Rows, Step
KEPT = []


@dataclass(frozen=True, kw_only=True)
class AddLevel(Step):
    """Add a level to all samples."""

    level: Annotated[float, Unit("DN"), Doc("What is added.")] = 3.0

    def rows(self, meta, references):
        return Rows()

    def apply(self, ramp: Ramp) -> Ramp:
        {body}
'''
ADD = "return ramp.replace(data=ramp.data + np.float32(self.level))"


@pytest.fixture(autouse=True)
def forgotten():
    """Files are known to a process for good, but not beyond a test."""
    yield
    local.forget()


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file of steps."""

    def write(body=ADD, text=STEP, name="mine.py"):
        path = tmp_path / name
        path.write_text(text.format(body=body))
        return str(path)

    return write


def amiss(word):
    """Return what is not good about the first thing, by respect."""
    return {own.respect: own for own in looked_at(word, 0) if not own.good}


@pytest.mark.parametrize(
    ("body", "respect"),
    [
        (ADD, None),
        ("ramp.data[:] += 1; return ramp", "contract"),
        ("return ramp.replace(data=ramp.data + np.nanmean(ramp.data, dtype='f4'))", "bands"),
        ("KEPT.append(1); return ramp.replace(data=ramp.data + len(KEPT))", "threads"),
        (
            "many = [ramp.data * 1.0 for _ in range(40)]; return ramp.replace(data=many[0])",
            "memory",
        ),
        ("return ramp.replace(data=ramp.data / weather)", "contract"),
        ("return ramp.replace(data=ramp.dta)", "contract"),
        ("return None", "contract"),
    ],
    ids=["good", "writes", "looks around", "remembers", "takes all memory", "raises", "misspells",
         "gives none"],
)  # fmt: skip
def test_what_a_step_must_not_do_is_found(written, body, respect):
    found = amiss(written(body))
    assert (found[respect].good is False) if respect else (found == {})


def test_memory_that_a_kernel_takes_for_itself_counts(written):
    kernel = "import numba\n\n\n@numba.njit\ndef take(size):\n    return np.ones(size).sum()\n"
    text = STEP.replace("KEPT = []", kernel)
    found = amiss(written(f"take(40 * ramp.data.size); {ADD}", text))
    assert found.keys() == {"memory"}


def test_undocumented_parts_are_found(written):
    text = STEP.replace(', Doc("What is added.")', "").replace("Add a level to all samples.", "Add")
    assert amiss(written(text=text))["documentation"].words == (
        "lacks a sentence about the step, Doc of level"
    )


@pytest.mark.parametrize(
    "body",
    ["ramp.zeroframe.sum(); return ramp", "ramp.zeroframe(1); return ramp",
     "ramp.meta['weather.rain']; return ramp"],
    ids=["attribute", "call", "metadata"],
)  # fmt: skip
def test_what_an_exposure_that_is_made_up_lacks_is_no_fault_of_the_step(written, body):
    found = amiss(written(body))
    assert found["contract"].good is None
    assert found["contract"].words.startswith("give a case under calcore.cases, since none can be")


def test_a_step_that_ends_python_is_found_and_the_rest_is_looked_at(written):
    text = STEP + "\n\n@dataclass(frozen=True, kw_only=True)\nclass Good(AddLevel):\n    "
    text += f'"""Add a level."""\n\n    def apply(self, ramp: Ramp) -> Ramp:\n        {ADD}\n'
    found = [own for own in certify(written("os._exit(3)", text)) if not own.good]
    assert [(own.what, own.respect) for own in found] == [("step mine.add_level", "contract")]
    assert found[0].words.startswith("ends Python itself (os._exit, or a crash of compiled code)")


def test_a_file_that_ends_python_is_a_sentence(written):
    with pytest.raises(PluginBroken, match=r"what is imported of .*mine\.py ends Python itself"):
        list(certify(written(text="import os\nos._exit(3)\n")))


def test_what_is_not_there_cannot_be_checked():
    with pytest.raises(UsageError, match=r"no\.py is no file of steps"):
        things("./no.py")
    with pytest.raises(UsageError, match=r"no installed package 'calcore-mirri'. Did you mean 'c"):
        list(certify("calcore-mirri"))
