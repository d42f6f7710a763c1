"""Association files are read, and what contradicts itself is refused."""

import json

import pytest

from calcore.associations.association import load
from calcore.errors import AssociationInvalid

GOOD = {
    "asn_type": "image3",
    "products": [
        {
            "name": "jw01-o001_t001",
            "members": [
                {"expname": "a_cal.fits", "exptype": "science"},
                {"expname": "b_cal.fits", "exptype": "background"},
            ],
        }
    ],
}


def test_products_members_and_roles(tmp_path):
    path = tmp_path / "x_asn.json"
    path.write_text(json.dumps(GOOD))
    association = load(path)
    assert association.stage == "3"
    assert association.products[0].name == "jw01-o001_t001"
    assert association.products[0].roles == {"science", "background"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as an association"),
        ("[]", "needs a list of products"),
        ('{"products": [1]}', "asn_type is '', but must end with the stage"),
        (
            '{"asn_type": "image3", "products": [{"members": []}]}',
            "product needs a list of members",
        ),
        (
            '{"asn_type": "image3", "products": [{"members": [{"expname": "a"}]}]}',
            "needs expname and exptype",
        ),
        ("[" * 100000, "cannot be read as an association"),
    ],
)
def test_contradictions_are_named_with_the_file(tmp_path, content, message):
    path = tmp_path / "x_asn.json"
    path.write_text(content)
    with pytest.raises(AssociationInvalid, match=f"x_asn.json: .*{message}"):
        load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AssociationInvalid, match="No such file"):
        load(tmp_path / "none_asn.json")
