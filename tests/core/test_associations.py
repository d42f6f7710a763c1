"""Association files are read, and what contradicts itself is refused."""

import json

import pytest

from calcore.associations.association import Member, load
from calcore.errors import AssociationInvalid


def member(name, role="science", **more):
    return {"expname": name, "exptype": role, **more}


def product(*members, name="jw01-o001_t001"):
    return {"name": name, "members": list(members)}


GOOD = {
    "asn_type": "image3",
    "products": [product(member("a_cal.fits"), member("b_cal.fits", "background"))],
}


@pytest.fixture
def read(tmp_path):
    def write(**content):
        path = tmp_path / "x_asn.json"
        path.write_text(json.dumps(content))
        return load(path)

    return write


def test_products_members_and_roles(read):
    association = read(**GOOD)
    assert association.stage == "3"
    assert association.pipeline == "image3"
    assert association.products[0].name == "jw01-o001_t001"
    assert association.products[0].roles == {"science", "background"}


def test_what_is_said_of_a_member_is_kept(read):
    told = member("../raw/a_cal.fits", "SCIENCE", tweakreg_catalog="a.ecsv", group_id=7, more=1)
    (own,) = read(asn_type="image3", products=[product(told)]).products[0].members
    assert own == Member("../raw/a_cal.fits", "science", catalogue="a.ecsv", group="7")


def test_exposures_listed_beside_the_others_are_not_used(read):
    listed = product(member("a_cal.fits"), member("t_cal.fits", "target_acquisition"))
    (own,) = read(asn_type="image3", products=[listed]).products
    assert len(own.members) == 2
    assert own.used == own.members[:1]


@pytest.mark.parametrize(
    ("asn_type", "stage", "pipeline"),
    [
        ("image2", "2", "image2"),
        ("tso-image2", "2", "image2"),
        ("wfs-image2", "2", "image2"),
        ("nrslamp-spec2", "2", "spec2"),
        ("tso-spec2", "2", "spec2"),
        ("image3", "3", "image3"),
        ("wfs-image3", "3", "wfs-image3"),
        ("tso3", "3", "tso3"),
        ("coron3", "3", "coron3"),
    ],
)
def test_types_are_told_apart_by_name(read, asn_type, stage, pipeline):
    association = read(**{**GOOD, "asn_type": asn_type})
    assert (association.stage, association.pipeline) == (stage, pipeline)


@pytest.mark.parametrize("asn_type", ["image", "mosaic3", "image1", "tso-image3", "xspec2", "2"])
def test_other_types_are_refused(read, asn_type):
    with pytest.raises(AssociationInvalid, match=rf"'{asn_type}', which is none of image2, spec2"):
        read(**{**GOOD, "asn_type": asn_type})


@pytest.mark.parametrize(
    ("said", "names", "stage"),
    [
        ({"asn_type": "None", "asn_rule": "DMS_Level3_Base"}, ("a_cal.fits",), "3"),
        ({"asn_type": "None", "asn_rule": "DMSLevel2bBase"}, ("a_rate.fits",), "2"),
        ({"asn_rule": "candidate_Asn_Lv3Image"}, ("a_cal.fits",), "3"),
        ({}, ("a_rate.fits", "b_rateints.fits"), "2"),
        ({"asn_type": None}, ("a_cal.fits", "b_o001_crf.fits"), "3"),
    ],
)
def test_lists_that_no_rule_has_made_are_told_by_what_they_hold(read, said, names, stage):
    association = read(products=[product(*map(member, names))], **said)
    assert (association.stage, association.pipeline) == (stage, "")


@pytest.mark.parametrize("names", [("a_rate.fits", "b_cal.fits"), ("a_cal.fits", "b.fits")])
def test_a_list_of_no_type_that_holds_several_stages_is_refused(read, names):
    with pytest.raises(AssociationInvalid, match="its asn_type is '', which is none of"):
        read(products=[product(*map(member, names))])


def test_a_level_2_product_that_a_list_of_paths_has_named_lies_where_its_exposure_does(read):
    listed = product(member("raw/a_rate.fits"), name="raw/a")
    assert read(asn_type="image2", products=[listed]).products[0].name == "a"
    with pytest.raises(AssociationInvalid, match="called 'out/a', which is no name of a file"):
        read(asn_type="image2", products=[{**listed, "name": "out/a"}])
    with pytest.raises(AssociationInvalid, match="called 'raw/a', which is no name of a file"):
        read(asn_type="image3", products=[listed])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as an association"),
        ("[]", "needs a list of products"),
        ('{"asn_type": "image3", "products": []}', "needs a list of products"),
        ('{"products": [1]}', "product needs a list of members"),
        (
            '{"asn_type": "image3", "products": [{"members": []}]}',
            "product needs a list of members",
        ),
        (
            '{"asn_type": "image3", "products": [{"members": [{"expname": "a"}]}]}',
            "needs expname and exptype",
        ),
        (
            '{"asn_type": "image3", "products": [{"members": [{"expname": "a", "exptype": null}]}]}',
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


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (product(member("a_cal.fits"), member("a_cal.fits", group_id="1")), "a_cal.fits twice"),
        (product(member("a_cal.fits", "background")), "no member of exptype science"),
    ],
)
def test_products_that_cannot_be_meant_are_refused(read, listed, message):
    with pytest.raises(AssociationInvalid, match=message):
        read(asn_type="image3", products=[listed])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AssociationInvalid, match="No such file"):
        load(tmp_path / "none_asn.json")
