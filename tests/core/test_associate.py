"""Which images make one product, and the files that say so."""

import json
from pathlib import Path

import pytest
from astropy.io import fits

from calcore.associations.association import load
from calcore.associations.exposures import Exposure, exposure_of
from calcore.associations.grouping import group
from calcore.associations.written import content_of, write
from calcore.cli.app import commands
from calcore.errors import KeywordMissing, OutputProblem, UsageError
from calcore.model import Detector, ExposureType, Facts, Meta

IMAGING = {"1": "detector1", "2": "image2", "3": "image3"}


def exposure(root, *marks, folder=".", **values):
    given = {
        "program": "01234", "observation": "001", "target": "ALPHA", "instrument": "CAM",
        "detector": "D1", "subarray": "FULL", "exposure_type": "IMAGE", "elements": ("f1",),
        "role": "science", "pipelines": IMAGING, **values,
    }  # fmt: skip
    given["marks"] = frozenset(marks)
    return Exposure(root=root, folder=Path(folder), **given)


def members(made):
    return [(member.role, member.file) for member in made.product.members]


def test_each_exposure_and_what_is_combined():
    found = group([exposure("b"), exposure("a")])
    assert [(made.file, members(made)) for made in found.made] == [
        ("jw01234-o001_image2_00002_asn.json", [("science", "a_rate.fits")]),
        ("jw01234-o001_image2_00001_asn.json", [("science", "b_rate.fits")]),
        (
            "jw01234-o001_image3_00001_asn.json",
            [("science", "a_cal.fits"), ("science", "b_cal.fits")],
        ),
    ]
    assert found.made[0].product.name == "a"
    assert found.made[2].product.name == "jw01234-o001_t001_cam_f1"
    assert not found.left_out


@pytest.mark.parametrize(
    ("name", "value", "apart"),
    [
        ("detector", "D2", False),
        ("subarray", "SUB64", True),
        ("elements", ("clear", "f1"), True),
        ("target", "BETA", True),
        ("observation", "002", True),
        ("instrument", "OTHER", True),
        ("program", "01235", True),
    ],
)
def test_what_is_combined_is_alike(name, value, apart):
    found = group([exposure("a"), exposure("b", **{name: value})], levels=(3,))
    assert len(found.made) == (2 if apart else 1)


def test_observations_of_one_target_go_together_if_asked_for():
    both = [exposure("a"), exposure("b", observation="002"), exposure("c", target="BETA")]
    first, second = group(both, levels=(3,), by="target").made
    assert members(first) == [("science", "a_cal.fits"), ("science", "b_cal.fits")]
    assert (first.identity, first.rule) == ("a3001", "discover_Asn_Lv3Image")
    assert first.product.name == "jw01234-a3001_t001_cam_f1"
    assert second.product.name == "jw01234-a3001_t002_cam_f1"


def test_names_tell_elements_and_subarray():
    (made,) = group([exposure("a", elements=(), subarray="SUB64")], levels=(3,)).made
    assert made.product.name == "jw01234-o001_t001_cam_clear-sub64"


def test_targets_are_numbered_in_each_program():
    items = [exposure(f"a{i}", target=f"T{i}") for i in range(2)]
    items.append(exposure("z", program="09999", target="T1"))
    names = [made.product.name for made in group(items, levels=(3,)).made]
    assert [name.split("_")[1] for name in names] == ["t001", "t002", "t001"]


def test_backgrounds_are_members_of_what_they_are_like():
    items = [
        exposure("a"),
        exposure("b", detector="D2"),
        exposure("far", "background", observation="002", target="SKY"),
        exposure("near", "background", "moving target", target="SKY"),
        exposure("series", "background", "time series", target="SKY"),
        exposure("other", "background", subarray="SUB64", target="SKY"),
    ]
    found = {made.product.name: made for made in group(items, levels=(2,)).made}
    assert members(found["a"]) == [("science", "a_rate.fits"), ("background", "near_rate.fits")]
    assert members(found["b"]) == [("science", "b_rate.fits")]
    assert members(found["near"]) == [("science", "near_rate.fits")]
    items.pop(3)
    found = {made.product.name: made for made in group(items, levels=(2,)).made}
    assert members(found["a"])[1] == ("background", "far_rate.fits")


def test_the_background_is_combined_on_its_own():
    items = [exposure("a"), exposure("b", "background", target="SKY")]
    science, sky = group(items, levels=(3,)).made
    assert members(science) == [("science", "a_cal.fits")]
    assert members(sky) == [("science", "b_cal.fits")]
    assert sky.rule == "candidate_Asn_Lv3ImageBackground"


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_background_of_the_targets_name_gives_way(names):
    of_target, of_sky = names
    found = group([exposure(of_target), exposure(of_sky, "background")], levels=(3,))
    (made,) = found.made
    assert members(made) == [("science", f"{of_target}_cal.fits")]
    assert found.not_combined == {
        "there is one of this name of the target": ["jw01234-o001_t001_cam_f1 of the background"]
    }


def test_time_series_keep_their_integrations():
    found = group([exposure("a", "time series", each_integration=True)])
    (made,) = found.made
    assert (made.type, members(made)) == ("tso-image2", [("science", "a_rateints.fits")])
    assert made.marks == ("time series",)
    (why,) = found.not_combined
    assert not found.left_out
    assert "tso3" in why


def test_wavefront_sensing_ends_with_level_2():
    found = group([exposure("a", "wavefront sensing")])
    assert [made.rule for made in found.made] == ["candidate_Asn_Lv2WFSC"]
    (why,) = found.not_combined
    assert "wfs-image3" in why


def test_acquisitions_stand_beside_the_images_of_their_observation():
    acquired = {"role": "target_acquisition", "pipelines": {"1": "detector1"}}
    items = [
        exposure("a"),
        exposure("t", "not science", **acquired),
        exposure("u", "not science", observation="002", **acquired),
    ]
    (made,) = group(items, levels=(3,)).made
    assert members(made) == [("science", "a_cal.fits"), ("target_acquisition", "t_cal.fits")]
    found = group(items, levels=(2,))
    assert [made.product.name for made in found.made] == ["a"]


def test_reference_stars():
    items = [exposure("a"), exposure("p", "psf")]
    assert members(group(items, levels=(3,)).made[0])[1] == ("psf", "p_cal.fits")
    found = group(items[1:], levels=(3,))
    assert not found.made
    assert found.not_combined == {"reference stars alone make no combined image": ["p"]}


SPECTRA = {"1": "detector1", "2": "spec2", "3": "spec3"}
SLICER = {
    "each": "Lv2Spec",
    "combined": "Lv3Cube",
    "background": "Lv3Sky",
    "named_by_elements": False,
}
SLIT = {"each": "Lv2Spec", "nod": "Lv2Nod", "nods": ("NOD",), "combined": "Lv3Slit",
        "background": "Lv3Sky", "confirmations": ("CONFIRM",)}  # fmt: skip


def spectrum(root, *marks, told=SLIT, **values):
    given = {"pipelines": SPECTRA, "exposure_type": "SPECTRUM", "association": told, **values}
    return exposure(root, *marks, **given)


def test_bands_of_a_slicer_are_combined_and_each_has_its_own_background():
    items = [
        spectrum(f"{detector}{band}{sky}", *(["background"] if sky else []), told=SLICER,
                 detector=detector, setting=(band,), elements=(), target="SKY" if sky else "ALPHA")
        for detector in "de" for band in "12" for sky in ("", "s")
    ]  # fmt: skip
    found = {made.product.name: made for made in group(items).made}
    assert members(found["d1"]) == [("science", "d1_rate.fits"), ("background", "d1s_rate.fits")]
    assert members(found["d1s"]) == [("science", "d1s_rate.fits")]
    assert found["d1s"].rule == "candidate_Asn_Lv2SpecSpecial"
    names = ("d1", "d2", "e1", "e2")
    assert members(found["jw01234-o001_t001_cam"]) == [
        *(("science", f"{name}_cal.fits") for name in names),
        *(("background", f"{name}s_x1d.fits") for name in names),
    ]
    sky = found["jw01234-o001_t002_cam"]
    assert members(sky) == [("science", f"{name}s_cal.fits") for name in names]
    assert (sky.type, sky.rule) == ("spec3", "candidate_Lv3Sky")


def test_nods_are_each_others_background_and_have_their_confirmation():
    items = [
        exposure(
            "t", exposure_type="CONFIRM", role="target_acquisition", pipelines={"2": "image2"}
        ),
        *(spectrum(root, pattern="NOD") for root in "ab"),
        spectrum("c", pattern="NOD", observation="002"),
        spectrum("d", pattern="MAP"),
    ]
    found = group(items)
    made = {one.product.name: one for one in found.made}
    assert members(made["a"]) == [
        ("science", "a_rate.fits"), ("background", "b_rate.fits"),
        ("target_acquisition", "t_rate.fits"),
    ]  # fmt: skip
    assert made["a"].rule == "candidate_Lv2Nod"
    assert made["d"].rule == "candidate_Lv2Spec"
    assert members(made["c"]) == [("science", "c_rate.fits")]
    assert members(made["jw01234-o001_t001_cam_f1"]) == [
        ("science", "a_cal.fits"), ("science", "b_cal.fits"), ("target_acquisition", "t_cal.fits"),
        ("background", "a_x1d.fits"), ("background", "b_x1d.fits"),
    ]  # fmt: skip
    why = "SPECTRUM exposures are combined if the dithers are nods along the slit"
    assert found.not_combined[why] == ["d"]


def test_time_series_of_spectra_are_combined_with_those_of_their_observation():
    series = SPECTRA | {"3": "tso3"}
    items = [
        spectrum(
            root, "time series", told={"each": "Lv2Spec"}, pipelines=series, each_integration=True
        )
        for root in "ab"
    ]
    first, _, both = group(items).made
    assert (first.type, members(first)) == ("tso-spec2", [("science", "a_rateints.fits")])
    assert (both.type, both.rule) == ("tso3", "candidate_Asn_Lv3TSO")
    assert members(both) == [("science", "a_calints.fits"), ("science", "b_calints.fits")]
    found = group(items, by="target")
    assert "a time series is combined with others of its observation" in found.not_combined


def test_what_is_no_image_is_left_out_with_the_reason():
    spectrum = exposure("s", exposure_type="SPECTRUM", pipelines={"1": "detector1", "2": "spec2"})
    found = group([spectrum, exposure("i", "imprint")])
    assert not found.made
    assert found.left_out == {
        "SPECTRUM exposures make no images of the sky": ["s"],
        "an imprint is no image of the sky": ["i"],
    }


def test_what_is_not_combined_is_left_out_with_the_reason():
    focus = exposure("f", exposure_type="FOCUS", pipelines={"2": "image2"})
    masked = exposure("c", exposure_type="CORON", pipelines={"2": "image2"}, lacks="coron3")
    found = group([focus, masked])
    assert [made.level for made in found.made] == [2, 2]
    assert not found.left_out
    assert found.not_combined == {
        "CORON exposures are combined by coron3, which this version does not have": ["c"],
        "FOCUS exposures are not combined to one image": ["f"],
    }


def test_a_name_is_for_one_combined_product():
    one = group([exposure("a")], name="mine").made
    assert [made.product.name for made in one] == ["a", "mine"]
    with pytest.raises(UsageError, match=r"2 combined products: jw01234-o001_t001_cam_f1, jw01234"):
        group([exposure("a"), exposure("b", elements=("f2",))], name="mine")
    with pytest.raises(UsageError, match="mine cannot be the name of 0 combined products; give"):
        group([exposure("a", "time series")], name="mine")


def test_what_is_written_is_what_is_read(tmp_path):
    made = group([exposure("a", folder=tmp_path), exposure("b", folder=tmp_path / "more")]).made
    for item, written in zip(made, write(made, tmp_path, "test"), strict=True):
        read = load(written.path)
        assert (read.type, read.stage, read.identity) == (item.type, str(item.level), "o001")
        assert [product.name for product in read.products] == [item.product.name]
    assert [member.file for member in read.products[0].members] == ["a_cal.fits", "more/b_cal.fits"]


def test_nothing_is_replaced_unless_asked_for(tmp_path):
    one, two = (group([exposure(name, folder=tmp_path)]).made for name in ("a", "b"))
    assert all(written.new for written in write(one, tmp_path, "test", dry=True))
    assert not list(tmp_path.iterdir())
    assert all(written.new for written in write(one, tmp_path, "test"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert not any(written.new for written in write(one, tmp_path, "another version"))
    with pytest.raises(OutputProblem, match="holds other products; use --force to replace it"):
        write(two, tmp_path, "test")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    write(two, tmp_path, "test", replace=True)
    path = tmp_path / two[1].file
    assert json.loads(path.read_text()) == content_of(two[1], tmp_path, "test")


META = {
    "instrument.name": "CAM", "instrument.detector": "D1", "instrument.filter": "F1",
    "instrument.pupil": "CLEAR", "instrument.grating": "N/A", "exposure.type": "IMAGE",
    "subarray.name": "N/A", "observation.program_number": "1234",
    "observation.observation_number": "7", "target.proposer_name": "ALPHA",
}  # fmt: skip


def facts(**row):
    detector = Detector(
        name="D1", rows=8, columns=8, reference_rows=(0, 0), reference_columns=(0, 0),
        fast_axis=1, slow_axis=2, outputs=1,
    )  # fmt: skip
    return Facts(detector, ExposureType(name="IMAGE", stages=IMAGING, **row))


def test_an_exposures_header_is_understood():
    found = exposure_of("a", Path(), Meta(META, facts()))
    assert found == exposure(
        "a", target="ALPHA", observation="007", elements=("clear", "f1"), folder="."
    )


@pytest.mark.parametrize(
    ("name", "value", "mark"),
    [
        ("visit.tsovisit", True, "time series"),
        ("target.type", "MOVING", "moving target"),
        ("observation.bkgdtarg", True, "background"),
        ("exposure.psf_reference", True, "psf"),
        ("exposure.imprint", True, "imprint"),
        ("visit.type", "PRIME_WFSC_ROUTINE", "wavefront sensing"),
        ("dither.primary_type", "WFSC", "wavefront sensing"),
    ],
)
def test_an_exposures_marks(name, value, mark):
    assert exposure_of("a", Path(), Meta({**META, name: value}, facts())).marks == {mark}


def test_what_the_tables_say_of_an_exposure_type():
    found = exposure_of("a", Path(), Meta(META, facts(time_series=True)))
    assert found.marks == {"time series"}
    assert found.each_integration
    assert exposure_of("a", Path(), Meta(META, facts(role="engineering"))).marks == {"not science"}
    kept = exposure_of("a", Path(), Meta(META, facts(data={"integrations": True, "lacks": "x3"})))
    assert (kept.each_integration, kept.lacks) == (True, "x3")


def test_a_header_without_program_is_refused():
    with pytest.raises(KeywordMissing, match=r"observation\.program_number"):
        exposure_of("a", Path(), Meta({**META, "observation.program_number": None}, facts()))


HEADER = {
    "TELESCOP": "JWST", "INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "EXP_TYPE": "MIR_IMAGE",
    "FILTER": "F770W", "SUBARRAY": "FULL", "PROGRAM": "01234", "OBSERVTN": "001",
    "TARGNAME": "ALPHA",
}  # fmt: skip


@pytest.fixture
def raw(tmp_path):
    """A folder with files of nothing but headers: three images, a spectrum, one that says too little."""
    kinds = [{}, {"BKGDTARG": True}, {"TARGTYPE": "MOVING", "FILTER": "F1000W"}]
    kinds += [{"EXP_TYPE": "MIR_WFSS"}, {"PROGRAM": None}]
    for number, more in enumerate(kinds, 1):
        cards = {key: value for key, value in {**HEADER, **more}.items() if value is not None}
        path = tmp_path / f"jw01234001001_02101_{number:05d}_mirimage_uncal.fits"
        fits.PrimaryHDU(header=fits.Header(cards)).writeto(path)
    return tmp_path


def associate(*words):
    """Run the command and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        commands.main(["associate", *map(str, words)])
    return ended.value.code


def test_a_folder(raw, capsys):
    assert associate(raw, "--dry-run", "--level", "3", "-v") == 1
    assert not list(raw.glob("*.json"))
    out, err = capsys.readouterr()
    assert "jw01234-o001_t001_miri_f1000w  1 science  moving target, would be written" in out
    assert "    science      jw01234001001_02101_00001_mirimage_cal.fits" in out
    assert "00004_mirimage: MIR_WFSS exposures make no images of the sky" in err
    assert "00005_mirimage_uncal.fits" in err
    assert "observation.program_number" in err


def test_files_and_another_folder(raw, tmp_path, capsys):
    first = sorted(raw.glob("*_uncal.fits"))[:2]
    assert associate(*first, "-o", tmp_path / "asn", "--level", "2") == 0
    out, err = capsys.readouterr()
    assert not err
    assert "1 science, 1 background  written" in out
    association = load(tmp_path / "asn" / "jw01234-o001_image2_00002_asn.json")
    names = [member.file for member in association.products[0].members]
    assert names == [f"../{path.name.replace('uncal', 'rate')}" for path in first]
    assert associate(*first, "-o", tmp_path / "asn", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert associate(*first, "-o", tmp_path / "asn") == 0
    assert capsys.readouterr().out.count("is there already") == 3


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--product-name", "a/b"), 2, "--product-name 'a/b' is no name of a file"),
        (("--product-name", "mine", "--by", "target"), 2, "the name of 2 combined products"),
        (("nowhere",), 1, "is not there"),
        (("--instrument", "nircam"), 64, "no exposures of nircam"),
    ],
)
def test_what_cannot_be_done_is_said(raw, capsys, words, status, message):
    assert associate(raw, *words) == status
    assert message in capsys.readouterr().err
    assert not list(raw.glob("*.json"))


def test_another_association_of_the_same_name_is_told(raw, capsys):
    first, *_ = sorted(raw.glob("*_uncal.fits"))
    for name, file in (("same", first), ("other", raw / "jw09_uncal.fits")):
        listed = [{"expname": file.name.replace("uncal", "cal"), "exptype": "science"}]
        product = {"name": "jw01234-o001_t001_miri_f770w", "members": listed}
        content = {"asn_type": "image3", "products": [product]}
        (raw / f"{name}_asn.json").write_text(json.dumps(content))
    associate(raw, "--level", "3")
    err = capsys.readouterr().err
    assert "other_asn.json makes jw01234-o001_t001_miri_f770w of other members" in err
    assert "same_asn.json" not in err


def test_other_files_are_not_replaced(raw, capsys):
    first, *_ = sorted(raw.glob("*_uncal.fits"))
    path = raw / "jw01234-o001_image3_00001_asn.json"
    path.write_text("{}")
    assert associate(first) == 1
    assert "holds other products; use --force" in capsys.readouterr().err
    assert [p.name for p in raw.glob("*.json")] == [path.name]
    assert associate(first, "--force") == 0
    assert load(path).products[0].name == "jw01234-o001_t001_miri_f770w"
