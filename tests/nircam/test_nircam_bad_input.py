"""Raw exposures whose headers leave out what only some read-outs need."""

import pytest
from astropy.io import fits

from calcore.run import plan
from calcore.simulate import Effects, VisitOptions, simulate
from calcore_nircam.simulate import SIMULATION

STRIPES = ("MSTR_RD1", "MSTR_SK1", "MSTR_RD2", "MSTR_SK2", "MSTR_RPT", "MSTR_ILV")


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    options = VisitOptions(
        mode="stripes", size="small", n_groups=2, n_ints=1, n_dithers=1,
        references=False, truth=False, effects=Effects.none(),
    )  # fmt: skip
    (raw,) = simulate(SIMULATION, tmp_path_factory.mktemp("stripes"), options).raw
    return raw


def test_stripes_that_the_header_does_not_tell_are_not_taken_for_one_piece(striped, tmp_path):
    with fits.open(striped) as file:
        for keyword in (*STRIPES, "SSTR_STP", "SSTR_NST"):
            del file[0].header[keyword]
        file.writeto(tmp_path / striped.name)
    (product,) = plan(tmp_path / striped.name, stage="1")
    assert "keyword MSTR_RD1 (subarray.multistripe_reads1) is missing" in product.error
