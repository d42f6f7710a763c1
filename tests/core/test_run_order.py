"""A step can only stand where something flows that it works on."""

import pytest

from calcore.errors import BadPipeline
from calcore.pipeline import Pipeline, Slot
from calcore.registry import discovery
from calcore.run.assemble import BuiltSlot
from calcore.run.order import fitting


def slots(*names, skip=()):
    return tuple(
        BuiltSlot(
            Slot(name, name, name, branch=name == "resample"),
            "",
            discovery.load("calcore.steps", name)(),
            skip="for a reason" if name in skip else "",
        )
        for name in names
    )


def check(built):
    return fitting(Pipeline("own", "1", tuple(item.slot for item in built)), built)


def test_the_usual_orders_are_right():
    check(slots("dq_init", "jump", "ramp_fit", "gain_scale"))
    check(slots("bkg_subtract", "assign_wcs", "flat_field", "photom", "resample"))
    check(slots("tweakreg", "skymatch", "outlier_detection", "resample", "source_catalog")[:4])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ramp_fit", "dq_init"), "step dq_init of own works on Ramp records, but ramp_fit leaves"),
        (("jump", "flat_field"), "flat_field of own works on Image records, but jump leaves Ramp"),
        (
            ("photom", "linearity"),
            "linearity of own works on Ramp records, but photom leaves Image",
        ),
    ],
)
def test_other_orders_are_refused(names, message):
    with pytest.raises(BadPipeline, match=message):
        check(slots(*names))


def test_skipped_steps_and_branches_change_nothing_that_flows():
    check(slots("dq_init", "ramp_fit", "jump", skip=("ramp_fit",)))
    check(slots("flat_field", "resample", "photom"))


def test_what_works_on_what_is_left_out_is_left_out_too():
    *_, done, gone, after = check(
        slots("outlier_integrations", "extract_slit", "join_series", skip=("extract_slit",))
    )
    assert (done.skip, gone.skip) == ("", "for a reason")
    assert after.skip == "extract_slit is left out: for a reason"
