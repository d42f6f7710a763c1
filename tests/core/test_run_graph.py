"""What a run makes of a folder with associations: told from headers alone."""

import json

import pytest
from astropy.io import fits

from calcore.cli.app import commands
from calcore.errors import AssociationInvalid
from calcore.registry import discovery
from calcore.run.graph import Plan, graph
from calcore.run.inputs import gather

HEADER = {
    "TELESCOP": "JWST", "INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "EXP_TYPE": "MIR_IMAGE",
    "FILTER": "F770W", "SUBARRAY": "FULL", "PROGRAM": "01234", "OBSERVTN": "001",
    "TARGNAME": "ALPHA", "NINTS": 1,
}  # fmt: skip
ROOTS = [f"jw01234001001_02101_{number:05d}_mirimage" for number in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path):
    """Three raw exposures, of nothing but headers; the last is of the background."""
    for root in ROOTS:
        write(tmp_path / f"{root}_uncal.fits", BKGDTARG=root == ROOTS[-1])
    return tmp_path


def write(path, **more):
    path.parent.mkdir(exist_ok=True)
    fits.PrimaryHDU(header=fits.Header({**HEADER, **more})).writeto(path)


def associate(folder, name, asn_type, *products):
    """Write an association of products: name, and roles of members by their files."""
    content = {
        "asn_type": asn_type,
        "asn_id": "o001",
        "products": [
            {
                "name": product,
                "members": [
                    {"expname": file, **({"exptype": role} if isinstance(role, str) else role)}
                    for file, role in members.items()
                ],
            }
            for product, members in products
        ],
    }
    (folder / f"{name}_asn.json").write_text(json.dumps(content))


def jobs(*inputs, stages=("1", "2", "3"), output=None, pipeline=None):
    """Return the jobs of a run, and what is amiss."""
    found = gather(inputs, None)
    plan = Plan(stages, output, pipeline, {"MIRI": discovery.instrument("MIRI")})
    return graph(found, plan).jobs, [str(problem) for _, problem in found.problems]


def members(job):
    return {role: [path.name for path in paths] for role, paths in job.members.items()}


def test_associations_of_a_folder_make_what_is_made_without_and_mosaics(folder):
    before, _ = jobs(folder)
    with pytest.raises(SystemExit, match="0"):
        commands.main(["associate", str(folder), "-q"])
    after, amiss = jobs(folder)
    assert not amiss
    added = set(after) - set(before)
    assert added == {"jw01234-o001_t001_miri_f770w:3"}
    (key,) = added
    assert members(after[key]) == {"science": [f"{root}_cal.fits" for root in ROOTS[:2]]}
    for name in before:
        assert after[name].name == before[name].name
        assert after[name].members["science"] == before[name].members["science"]
    sky = [f"{ROOTS[2]}_rate.fits"]
    assert members(after[f"{ROOTS[0]}:2"])["background"] == sky
    assert not any(job.error for job in after.values())


def test_a_product_is_called_as_its_association_says(folder):
    associate(folder, "a", "image2", ("mine", {f"{ROOTS[0]}_rate.fits": "science"}))
    associate(folder, "b", "image3", ("all", {"mine_cal.fits": "science"}))
    made, amiss = jobs(folder, output=folder / "out")
    assert not amiss
    assert made[f"{ROOTS[0]}:2"].name == "mine"
    assert members(made["all:3"]) == {"science": ["mine_cal.fits"]}
    assert made["all:3"].needs == {f"{ROOTS[0]}:2"}


def test_a_product_that_its_association_has_named_is_no_exposure_of_its_own(folder):
    test_a_product_is_called_as_its_association_says(folder)
    write(folder / "mine_cal.fits")
    made, _ = jobs(folder)
    assert "mine:2" not in made
    assert made["all:3"].needs == {f"{ROOTS[0]}:2"}
    (job,) = jobs(folder, stages=("3",))[0].values()
    assert job.members["science"] == (folder / "mine_cal.fits",)
    assert not job.needs


def test_several_exposures_of_a_product_are_each_called_after_themselves(folder):
    both = {f"{root}_rate.fits": "science" for root in ROOTS[:2]}
    associate(folder, "a", "image2", ("mine", both))
    made, _ = jobs(folder)
    assert [made[f"{root}:2"].name for root in ROOTS[:2]] == ROOTS[:2]


@pytest.mark.parametrize(
    ("products", "message"),
    [
        ([(ROOTS[1], {f"{ROOTS[0]}_rate.fits": "science"})], "called .*00002_mirimage, as one of"),
        (
            [("m", {f"{ROOTS[0]}_rate.fits": "science"}), ("m", {f"{ROOTS[1]}_rate.fits": "science"})],
            r"a product of .*00001_mirimage is called m, too",
        ),
        (
            [("m", {f"{ROOTS[0]}_rate.fits": "science"}), ("n", {f"{ROOTS[0]}_rate.fits": "science"})],
            "with another name or other members",
        ),
    ],
)  # fmt: skip
def test_products_that_get_in_each_others_way_are_refused(folder, products, message):
    associate(folder, "a", "image2", *products)
    made, _ = jobs(folder)
    (failed,) = [job.error for job in made.values() if job.error is not None]
    assert isinstance(failed, AssociationInvalid)
    with pytest.raises(AssociationInvalid, match=f"a_asn.json: .*{message}"):
        raise failed


def test_the_rates_that_an_association_names_are_taken(folder):
    members_of = {f"{ROOTS[0]}_rateints.fits": "science"}
    associate(folder, "a", "tso-image2", (ROOTS[0], members_of))
    associate(folder, "b", "image3", ("all", {f"{ROOTS[0]}_calints.fits": "science"}))
    made, _ = jobs(folder)
    assert members(made[f"{ROOTS[0]}:2"]) == {"science": [f"{ROOTS[0]}_rateints.fits"]}
    assert members(made[f"{ROOTS[1]}:2"]) == {"science": [f"{ROOTS[1]}_rate.fits"]}
    assert members(made["all:3"]) == {"science": [f"{ROOTS[0]}_calints.fits"]}


def test_spectra_of_background_members_are_taken_or_made(folder):
    listed = {f"{ROOTS[0]}_cal.fits": "science", f"{ROOTS[1]}_x1d.fits": "background"}
    associate(folder, "a", "image3", ("all", listed))
    made, _ = jobs(folder)
    assert members(made["all:3"])["background"] == [f"{ROOTS[1]}_x1d.fits"]
    assert made["all:3"].needs == {f"{ROOTS[0]}:2", f"{ROOTS[1]}:2"}
    write(folder / f"{ROOTS[0]}_cal.fits")
    write(folder / f"{ROOTS[1]}_cal.fits")
    write(folder / f"{ROOTS[1]}_x1d.fits")
    made, amiss = jobs(folder / "a_asn.json", stages=("3",))
    assert not amiss
    assert made["all:3"].members["background"] == (folder / f"{ROOTS[1]}_x1d.fits",)
    assert not made["all:3"].needs


def test_a_member_that_nothing_can_be_made_from_is_refused(tmp_path):
    """Its exposure has been calibrated, without what is a member, and there are no count rates."""
    for root in ROOTS[:2]:
        write(tmp_path / f"{root}_cal.fits")
    sky = f"{ROOTS[1]}_x1d.fits"
    associate(
        tmp_path, "a", "spec3", ("all", {f"{ROOTS[0]}_cal.fits": "science", sky: "background"})
    )
    made, (amiss,) = jobs(tmp_path, stages=("3",))
    assert not made
    there = f"{ROOTS[1]}_cal.fits"
    assert f"member {sky} is not there, and cannot be made from {there}; let the stage" in amiss


def test_what_is_listed_beside_the_members_need_not_be_there(folder):
    listed = {f"{ROOTS[0]}_cal.fits": "science", "t_cal.fits": "target_acquisition"}
    associate(folder, "a", "image3", ("all", listed))
    made, amiss = jobs(folder)
    assert not amiss
    assert members(made["all:3"]) == {"science": [f"{ROOTS[0]}_cal.fits"]}


def test_what_is_listed_beside_the_members_is_not_calibrated_for_them(folder):
    there = folder / "asn"
    there.mkdir()
    names = {f"../{ROOTS[0]}_cal.fits": "science", f"../{ROOTS[1]}_cal.fits": "target_acquisition"}
    associate(there, "a", "image3", ("all", names))
    made, _ = jobs(there / "a_asn.json")
    assert set(made) == {f"{ROOTS[0]}:1", f"{ROOTS[0]}:2", "all:3"}


def test_what_an_association_says_of_a_member(folder):
    said = {"exptype": "science", "tweakreg_catalog": "more/a.ecsv", "group_id": "one"}
    listed = {f"{ROOTS[0]}_cal.fits": said, f"{ROOTS[1]}_cal.fits": "science"}
    associate(folder, "a", "image3", ("all", listed))
    made, _ = jobs(folder)
    first, _ = made["all:3"].members["science"]
    assert made["all:3"].told == {
        first: {"group_id": "one", "tweakreg_catalog": str(folder / "more" / "a.ecsv")}
    }


def test_members_lie_where_the_association_says(folder):
    there = folder / "asn"
    there.mkdir()
    associate(there, "a", "image3", ("all", {f"../{ROOTS[0]}_cal.fits": "science"}))
    made, _ = jobs(there / "a_asn.json")
    assert made[f"{ROOTS[0]}:1"].inputs == (there / ".." / f"{ROOTS[0]}_uncal.fits",)


@pytest.mark.parametrize("name", ["renamed.fits", f"{ROOTS[0]}_o001_crf.fits"])
def test_members_may_be_called_otherwise(folder, name):
    write(folder / "cal" / name)
    associate(folder / "cal", "a", "image3", ("all", {name: "science"}))
    made, amiss = jobs(folder / "cal")
    assert not amiss
    assert made["all:3"].inputs == (folder / "cal" / name,)


@pytest.mark.parametrize(
    ("asn_type", "key", "wanted"),
    [
        ("wfs-image3", "all:3", "wfs-image3"),
        ("tso3", "all:3", "tso3"),
        ("spec2", f"{ROOTS[0]}:2", "spec2"),
    ],
)
def test_an_association_for_another_pipeline_is_refused(folder, asn_type, key, wanted):
    suffix = "rate" if asn_type.endswith("2") else "cal"
    associate(folder, "a", asn_type, ("all", {f"{ROOTS[0]}_{suffix}.fits": "science"}))
    made, _ = jobs(folder)
    message = f"asn_type is {asn_type}, which asks for the pipeline {wanted}, but MIR_IMAGE"
    with pytest.raises(AssociationInvalid, match=message):
        raise made[key].error
    asked, _ = jobs(folder, stages=(asn_type[-1],), pipeline=f"image{asn_type[-1]}")
    assert asked[key].error is None


def test_lists_that_no_rule_has_made_go_through_the_exposures_own_pipeline(folder):
    associate(folder, "a", "None", ("all", {f"{ROOTS[0]}_cal.fits": "science"}))
    made, _ = jobs(folder)
    assert made["all:3"].pipeline == "image3"


def test_a_product_of_two_modes_is_refused(tmp_path):
    names = [f"{root}_cal.fits" for root in ROOTS[:2]]
    for name, kind in zip(names, ("MIR_MRS", "MIR_LRS-FIXEDSLIT"), strict=True):
        write(tmp_path / name, EXP_TYPE=kind)
    associate(tmp_path, "a", "spec3", ("all", dict.fromkeys(names, "science")))
    made, (problem,) = jobs(tmp_path)
    assert not made
    assert "members of the types MIR_LRS-FIXEDSLIT and MIR_MRS; make an" in problem


def test_a_background_of_another_mode_is_refused(tmp_path):
    names = [f"{ROOTS[0]}_cal.fits", f"{ROOTS[1]}_x1d.fits"]
    for name, kind in zip(names, ("MIR_MRS", "MIR_LRS-FIXEDSLIT"), strict=True):
        write(tmp_path / name, EXP_TYPE=kind)
    roles = dict(zip(names, ("science", "background"), strict=True))
    associate(tmp_path, "a", "spec3", ("all", roles))
    made, (problem,) = jobs(tmp_path)
    assert not made
    assert "members of the types MIR_LRS-FIXEDSLIT and MIR_MRS; make an" in problem


@pytest.mark.parametrize(
    ("keyword", "value"), [("DETECTOR", "MIRIFULONG"), ("BAND", "MEDIUM"), ("FILTER", "F560W")]
)
def test_a_background_taken_otherwise_is_refused(tmp_path, keyword, value):
    names = [f"{root}_rate.fits" for root in ROOTS[:2]]
    light = {"EXP_TYPE": "MIR_MRS", "BAND": "SHORT", "DETECTOR": "MIRIFUSHORT"}
    write(tmp_path / names[0], **light)
    write(tmp_path / names[1], **light | {keyword: value})
    roles = dict(zip(names, ("science", "background"), strict=True))
    associate(tmp_path, "a", "spec2", (ROOTS[0], roles))
    made, _ = jobs(tmp_path, stages=("2",))
    said = f"the background {ROOTS[1]} has {keyword} {value}, where the exposure has "
    assert said in str(made[f"{ROOTS[0]}:2"].error)


def test_an_exposure_is_not_its_own_background(tmp_path):
    name = f"{ROOTS[0]}_rate.fits"
    write(tmp_path / name, EXP_TYPE="MIR_MRS")
    members = [{"expname": name, "exptype": role} for role in ("science", "background")]
    content = {"asn_type": "spec2", "products": [{"name": ROOTS[0], "members": members}]}
    (tmp_path / "a_asn.json").write_text(json.dumps(content))
    made, _ = jobs(tmp_path, stages=("2",))
    assert "as science and as background" in str(made[f"{ROOTS[0]}:2"].error)


def test_a_member_that_is_there_and_no_exposure_is_called_so(tmp_path):
    for name in (f"{ROOTS[0]}_cal.fits", f"{ROOTS[1]}_s3d.fits"):
        write(tmp_path / name, EXP_TYPE="MIR_MRS")
    names = (f"{ROOTS[0]}_cal.fits", f"{ROOTS[1]}_s3d.fits")
    associate(tmp_path, "a", "spec3", ("all", dict.fromkeys(names, "science")))
    _, (problem,) = jobs(tmp_path)
    assert f"member {names[1]} is no exposure; name the exposures that it was made of" in problem


@pytest.mark.parametrize(("pipeline", "right"), [("calwebb_spec3", True), ("image3", False)])
def test_a_pipeline_of_other_modes_is_refused(tmp_path, pipeline, right):
    name = f"{ROOTS[0]}_cal.fits"
    write(tmp_path / name, EXP_TYPE="MIR_MRS")
    associate(tmp_path, "a", "spec3", ("all", {name: "science"}))
    made, _ = jobs(tmp_path, stages=("3",), pipeline=pipeline)
    assert (made["all:3"].error is None) == right
    if not right:
        message = "the pipeline image3 is for MIR_IMAGE, and MIR_MRS exposures go through spec3"
        assert message in str(made["all:3"].error)
