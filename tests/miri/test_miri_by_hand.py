"""The command line, a Python call, and steps called one by one give the same products."""

import numpy as np
import pytest
from click.testing import CliRunner

import calcore
from calcore import io
from calcore.cli.app import commands
from calcore.io.content import content_of
from calcore.registry.steps import step_class
from calcore.report.compare import compare_files
from calcore.run import plan, run
from calcore.step import diet_of

pytestmark = pytest.mark.usefixtures("miri_references")
ROOT = "jw01234001001_02101_00001_mirimage"
SETTINGS = {"jump.rejection_threshold": 5.0, "saturation.n_pix_grow_sat": 2}
# What the runner writes of how steps went, with what, and where the product belongs.
RUNNERS = ("S_", "R_", "CRDS_", "CAL_V", "DATAMODL", "FILETYPE", "FILENAME", "DATE")


@pytest.fixture
def called(miri_visit, tmp_path):
    """The folder of what a Python call makes."""
    wishes = {"stage": "2", "output": tmp_path / "called", "settings": SETTINGS}
    assert run(miri_visit.raw[0], **wishes).exit_status == 0
    return tmp_path / "called"


def test_the_command_line_makes_what_a_call_makes(called, miri_visit, tmp_path):
    words = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    asked = [str(miri_visit.raw[0]), "--stage=2", f"-o{tmp_path / 'told'}", *words, "-q"]
    assert CliRunner().invoke(commands, ["run", *asked]).exit_code == 0
    names = sorted(path.name for path in called.glob("*.fits"))
    assert len(names) == 4
    for name in names:
        assert compare_files(called / name, tmp_path / "told" / name).found == ()
    for suffix in ("rate", "rateints", "cal"):  # to the byte, their records included
        name = f"{ROOT}_{suffix}.fits"
        assert content_of(called / name) == content_of(tmp_path / "told" / name)


def test_steps_called_one_by_one_make_what_a_call_makes(called, miri_visit, tmp_path):
    flow = calcore.open(miri_visit.raw[0])
    (planned,) = plan(miri_visit.raw[0], stage="1", settings=SETTINGS)
    for slot in planned.slots:
        if slot.skip:
            continue
        kind = step_class(slot.use)
        step = kind(**{name: value.value for name, value in slot.settings.items()})
        given = {}
        for wish in diet_of(kind).references:
            choice = slot.references.get(wish.kind.type)
            if choice is not None and choice.file is not None:
                given[wish.argument] = io.open_reference(choice.file, wish.kind, flow.meta)
            elif wish.optional:
                given[wish.argument] = None
        flow = step(flow, **given)
    (tmp_path / "hand").mkdir()
    for suffix in ("rate", "rateints"):
        name = f"{ROOT}_{suffix}.fits"
        own = getattr(flow, suffix)
        made = calcore.open(called / name)
        for plane in ("data", "err", "dq", "var_poisson", "var_rnoise"):
            np.testing.assert_array_equal(getattr(own, plane), getattr(made, plane), err_msg=plane)
        io.write(own, tmp_path / "hand" / name)
        found = compare_files(called / name, tmp_path / "hand" / name).found
        rest = [item.words for item in found if not item.words.startswith(RUNNERS)]
        assert rest == []
