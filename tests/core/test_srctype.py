"""Whether a source is a point."""

import numpy as np
import pytest

from calcore.model import ExposureType, Facts, Image, Meta
from calcore.steps.calibration.srctype import SrcType, source_type
from calcore.testing import Case, StepContract

FIELD = {"source_type": "EXTENDED", "point_patterns": {"dither.optimized_for": "POINT-SOURCE"}}


def meta_of(data, **told):
    names = {name.replace("__", "."): value for name, value in told.items()}
    kind = ExposureType(name="ACM_FIELD", stages={}, data=data)
    return Meta(names).with_facts(Facts(detector=None, exposure_type=kind))


@pytest.mark.parametrize(
    ("told", "slit", "field"),
    [
        ({}, "POINT", "EXTENDED"),
        ({"dither__optimized_for": "POINT-SOURCE"}, "POINT", "POINT"),
        ({"dither__optimized_for": "EXTENDED-SOURCE"}, "POINT", "EXTENDED"),
        ({"target__source_type_apt": "EXTENDED", "dither__optimized_for": "POINT-SOURCE"},
         "EXTENDED", "EXTENDED"),
        ({"target__source_type_apt": "point"}, "POINT", "POINT"),
        ({"target__source_type_apt": "UNKNOWN"}, "POINT", "EXTENDED"),
        ({"visit__tsovisit": True, "target__source_type_apt": "EXTENDED"}, "POINT", "POINT"),
        ({"visit__tsovisit": True, "observation__bkgdtarg": True}, "EXTENDED", "EXTENDED"),
    ],
)  # fmt: skip
def test_what_is_known_counts_in_order(told, slit, field):
    assert source_type(meta_of({}, **told)) == slit
    assert source_type(meta_of(FIELD, **told)) == field


class TestSrcTypeContract(StepContract):
    def case(self):
        plane = np.ones((8, 6), np.float32)
        image = Image(meta=meta_of(FIELD), data=plane, err=plane, dq=np.zeros((8, 6), np.uint32))
        return Case(step=SrcType(), flow=image)

    def test_the_user_counts_first(self):
        image = self.case().flow
        assert SrcType()(image).meta["target.source_type"] == "EXTENDED"
        assert SrcType().outgoing(image.meta)["target.source_type"] == "EXTENDED"
        told = image.replace(meta=meta_of(FIELD, observation__bkgdtarg=True))
        assert SrcType(source_type="POINT")(told).meta["target.source_type"] == "POINT"
