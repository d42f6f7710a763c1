"""Broken associations and inputs that get in each other's way: said once, and the rest is done."""

import json
import shutil
from concurrent.futures.process import BrokenProcessPool

import pytest
from astropy.io import fits

from calcore.errors import UsageError
from calcore.registry import discovery
from calcore.run import Status, run

pytestmark = pytest.mark.usefixtures("miri_references")


@pytest.fixture
def folder(miri_visit, tmp_path):
    """A folder with the raw exposures and a function that adds an association to it."""
    for path in miri_visit.raw:
        shutil.copy(path, tmp_path)

    def add(change=lambda content: None, name="x_image3_asn.json"):
        content = json.loads(miri_visit.association.read_text())
        change(content)
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path

    return add


def product(**changes):
    return lambda content: content["products"][0].update(changes)


def members(*names):
    def change(content):
        content["products"][0]["members"] += [{"expname": n, "exptype": "science"} for n in names]

    return change


def failures(result):
    return [outcome for outcome in result.products if outcome.status is Status.FAILED]


def first_twice(content):
    content["products"][0]["members"] *= 2


def first_by_another_path(content):
    members = content["products"][0]["members"]
    members.append(members[0] | {"expname": f"../elsewhere/{members[0]['expname']}"})


def other_roles(content):
    for member in content["products"][0]["members"]:
        member["exptype"] = "background"


# What is done to an association, and what the sentence about it says.
DEFECTS = {
    "not json": (lambda content: content.clear(), "needs a list of products"),
    "unknown type": (lambda content: content.update(asn_type="mosaic"), "asn_type is 'mosaic'"),
    "no products": (lambda content: content.update(products=[]), "needs a list of products"),
    "members that are text": (product(members="abc"), "needs a list of members"),
    "a member that is a number": (product(members=[3]), "a member needs expname and exptype: 3"),
    "a member twice": (first_twice, "twice; remove one"),
    "a member by two paths": (first_by_another_path, "twice; remove one"),
    "no science": (other_roles, "no member of exptype science"),
    "a path for a name": (product(name="../../elsewhere"), "which is no name of a file"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_broken_association_does_not_stop_the_exposures(folder, defect):
    change, text = DEFECTS[defect]
    where = folder(change)
    result = run(where, stage="1", output=where / "out")
    (failed,) = failures(result)
    assert text in failed.reason
    assert str(where / "x_image3_asn.json") in failed.reason
    assert result.exit_status == 1
    assert len(list((where / "out").glob("*_rate.fits"))) == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (members("jw09_cal.fits"), "member jw09_cal.fits is not there"),
        (members("jw01234-o001_t001_i2d.fits"), "is not there"),
        (product(name="jw01234001001_02101_00001_mirimage"), "as one of the exposures is"),
    ],
)
def test_a_product_that_cannot_be_made_does_not_stop_the_others(folder, change, text):
    where = folder(change)
    result = run(where, output=where / "out")
    (failed,) = failures(result)
    assert text in failed.reason
    assert len(list((where / "out").glob("*_cal.fits"))) == 2
    assert not list((where / "out").glob("*_crf.fits"))


def test_a_bad_member_fails_the_mosaic_and_nothing_else(folder, miri_visit):
    where = folder()
    (where / miri_visit.raw[0].name).write_bytes(b"nothing of the kind")
    reasons = [outcome.reason for outcome in failures(run(where, output=where / "out"))]
    assert len(reasons) == 2
    assert "is not a FITS file" in reasons[0]
    assert "cannot be used" in reasons[1]
    assert len(list((where / "out").glob("*_cal.fits"))) == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda file: file.__delitem__("ASDF"), "has no world coordinates"),
        (lambda file: [setattr(e, "data", e.data[None]) for e in file[1:] if e.is_image],
         "has an image for each integration"),
    ],
)  # fmt: skip
def test_an_exposure_that_cannot_be_combined_is_named(folder, miri_products, change, text):
    where = folder() / "cal"
    where.mkdir()
    for path in miri_products[0].glob("*_cal.fits"):
        with fits.open(path, memmap=False) as file:
            change(file)
            file.writeto(where / path.name)
    shutil.copy(where.parent / "x_image3_asn.json", where)
    (failed,) = failures(run(where, output=where / "out", stage="3"))
    assert f"mirimage_cal.fits: {text}" in failed.reason


def test_exposures_in_different_units_are_not_combined(folder, miri_products):
    where = folder() / "cal"
    where.mkdir()
    for path in sorted(miri_products[0].glob("*_cal.fits")):
        shutil.copy(path, where)
    with fits.open(where / path.name, mode="update") as file:
        file["SCI"].header["BUNIT"] = "DN/s"
    shutil.copy(where.parent / "x_image3_asn.json", where)
    (failed,) = failures(run(where, output=where / "out", stage="3"))
    assert "is in DN/s, where the exposures before it are in MJy/sr" in failed.reason
    assert not (where / "out").exists()


def test_a_mosaic_through_several_filters_is_refused(folder, miri_visit):
    where = folder()
    with fits.open(where / miri_visit.raw[1].name, mode="update") as file:
        file[0].header["FILTER"] = "F1000W"
    (failed,) = failures(run(where, output=where / "out", stage="3"))
    assert failed.reason.endswith(
        "has members through F1000W and F770W, and a mosaic of these would have no flux scale; "
        "make an association for each filter"
    )
    assert not (where / "out").exists()


def test_two_products_of_one_name_are_told_apart(folder):
    folder(lambda content: content["products"][0]["members"].pop(), "y_image3_asn.json")
    where = folder()
    result = run(where, output=where / "out", stage="3")
    (failed,) = failures(result)
    assert "of other members" in failed.reason
    assert len(list((where / "out").glob("*_t001_*_i2d.fits"))) == 1


@pytest.mark.parametrize(
    ("stages", "executor"), [("all", "serial"), ("3", "serial"), ("all", "processes")]
)
def test_a_missing_background_fails_its_exposure_alone(folder, miri_visit, stages, executor):
    rates = [path.name.replace("uncal", "rate") for path in miri_visit.raw]
    background = {"expname": "jw09_rate.fits", "exptype": "background"}
    own = [{"expname": rates[0], "exptype": "science"}, background]
    folder(
        lambda content: content.update(asn_type="image2", products=[{"members": own}]),
        "b_image2_asn.json",
    )
    where = folder()
    result = run(where, output=where / "out", stage=stages, executor=executor)
    first, second = failures(result)
    assert "member jw09_rate.fits is not there" in first.reason
    assert second.reason.startswith("not made, since image2 of jw01234001001_02101_00001_mirimage")
    assert not (where / "out" / rates[0].replace("rate", "cal")).exists()
    assert (where / "out" / rates[1].replace("rate", "cal")).exists()


def test_files_that_are_no_exposures_do_not_stop_those_that_are(folder, miri_visit):
    where = folder()
    picture = where / miri_visit.raw[0].name.replace("uncal.fits", "rate.png")
    picture.write_bytes(b"no picture")
    (where / "notes.txt").write_text("")
    result = run(sorted(where.iterdir()), stage="1", output=where / "out")
    failed = failures(result)
    assert {outcome.name for outcome in failed} == {"notes.txt", picture.name}
    assert all("is no exposure that a pipeline takes" in outcome.reason for outcome in failed)
    assert len(list((where / "out").glob("*_rate.fits"))) == 2


def test_two_files_of_one_name_are_not_taken_for_one(folder, miri_visit):
    where = folder()
    (where / "more").mkdir()
    again = shutil.copy(miri_visit.raw[0], where / "more")
    (failed,) = failures(run([where, where / "more"], stage="1", output=where / "out"))
    assert str(again) in failed.reason
    assert "has the same name as" in failed.reason
    (where / "more" / miri_visit.raw[0].name).unlink()
    (where / "more" / miri_visit.raw[0].name).symlink_to(where / miri_visit.raw[0].name)
    assert not failures(run([where, where / "more"], stage="1", output=where / "out"))


def test_nothing_to_do_is_said(miri_visit, tmp_path):
    with pytest.raises(UsageError, match="_uncal were found, and stage 3 takes associations"):
        run(miri_visit.raw, stage="3", output=tmp_path)


def test_a_process_that_dies_fails_what_was_not_made_yet(folder, monkeypatch):
    def dying(tasks, work, workers):
        del workers
        yield tasks[0], work(tasks[0])
        raise BrokenProcessPool("a process died")

    load = discovery.load
    monkeypatch.setattr(
        discovery, "load",
        lambda group, name: dying if group == "calcore.executors" else load(group, name),
    )  # fmt: skip
    where = folder()
    result = run(where, stage="1", output=where / "out", executor="processes")
    (failed,) = failures(result)
    assert "fewer --jobs" in failed.reason
    assert result.exit_status == 1
