import sys
from pathlib import Path

import numpy as np
import pytest

from calcore.run import run

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the scores live with the long measurement, in benchmarks/


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.truth)


@pytest.fixture
def rng():
    return np.random.default_rng(20260203)


def calibrated(observed, program):
    """Return the folder of a visit's products; the long measurement starts a process for them."""
    output = observed.folder / program
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CRDS_CONTEXT", raising=False)
        for name, value in observed.environment.items():
            patch.setenv(name, value)
        result = run(
            observed.folder, output=output, stage=observed.visit.stage, profile=program,
            save=observed.visit.saved,
        )  # fmt: skip
    assert result.exit_status == 0, [made.reason for made in result.products]
    return output


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """Return what the default profile makes of a visit; each visit is simulated once."""
    from benchmarks.truth_score import measure
    from benchmarks.truth_visits import observe

    work = tmp_path_factory.mktemp("truth")
    known = {}

    def of(visit, program="default"):
        if (visit.name, program) not in known:
            observed = observe(visit, work)
            known[visit.name, program] = measure(observed, program, calibrated(observed, program))
        return known[visit.name, program]

    return of
