"""Associations of a folder's images: the same files, products, members and roles."""

import csv
import hashlib
import io
import itertools
import json
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits

from calcore.associations.association import load
from calcore.associations.exposures import exposure_of
from calcore.associations.grouping import group
from calcore.associations.written import content_of
from calcore.cli.app import commands
from calcore.model import Meta
from calcore.registry import discovery

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "parity"
POOLS = ROOT.parent / "shared" / "data" / "pools"

IMAGERS = {
    "nrca1": {"INSTRUME": "NIRCAM", "FILTER": "F200W", "PUPIL": "CLEAR", "CHANNEL": "SHORT"},
    "nrcb4": {"INSTRUME": "NIRCAM", "FILTER": "F200W", "PUPIL": "CLEAR", "CHANNEL": "SHORT"},
    "nrcalong": {"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "CLEAR", "CHANNEL": "LONG"},
    "nrcblong": {"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "CLEAR", "CHANNEL": "LONG"},
    "mirimage": {"INSTRUME": "MIRI", "FILTER": "F770W", "EXP_TYPE": "MIR_IMAGE"},
    "nis": {"INSTRUME": "NIRISS", "FILTER": "CLEAR", "PUPIL": "F150W", "EXP_TYPE": "NIS_IMAGE"},
    "guider1": {"INSTRUME": "FGS", "EXP_TYPE": "FGS_IMAGE"},
    "guider2": {"INSTRUME": "FGS", "EXP_TYPE": "FGS_IMAGE"},
    "mirifushort": {"INSTRUME": "MIRI", "EXP_TYPE": "MIR_MRS", "CHANNEL": "12", "BAND": "SHORT"},
    "mirifulong": {"INSTRUME": "MIRI", "EXP_TYPE": "MIR_MRS", "CHANNEL": "34", "BAND": "SHORT"},
}
SLIT = {"EXP_TYPE": "MIR_LRS-FIXEDSLIT", "FILTER": "P750L", "PATTTYPE": "ALONG-SLIT-NOD",
        "NUMDTHPT": 2}  # fmt: skip
SLITLESS = {"EXP_TYPE": "MIR_LRS-SLITLESS", "FILTER": "P750L", "SUBARRAY": "SLITLESSPRISM",
            "TSOVISIT": True}  # fmt: skip


def exposures(observation, detectors, numbers=(1,), **keywords):
    """Return headers of exposures by the names of their files."""
    found = {}
    for number, detector in itertools.product(numbers, detectors):
        name = f"jw01234{observation:03d}001_02101_{number:05d}_{detector}_uncal.fits"
        found[name] = {
            "FILENAME": name, "TELESCOP": "JWST", "PROGRAM": "01234", "OBSERVTN": f"{observation:03d}",
            "VISIT": "001", "VISITGRP": "02", "SEQ_ID": "1", "ACT_ID": "01",
            "EXPOSURE": f"{number:05d}", "VISITYPE": "PRIME_TARGETED_FIXED", "TSOVISIT": False,
            "DETECTOR": detector.upper(), "EXP_TYPE": "NRC_IMAGE", "SUBARRAY": "FULL",
            "TARGNAME": "ALPHA", "TARGTYPE": "FIXED", "BKGDTARG": False,
            **IMAGERS[detector], **keywords,
        }  # fmt: skip
    return found


SLICERS = ("mirifushort", "mirifulong")
NIRCAM = ("nrca1", "nrcb4", "nrcalong", "nrcblong")
VISITS = {
    "channels, modules, filters and sub-arrays": (
        exposures(1, NIRCAM, (1, 2))
        | exposures(1, ("nrcb4",), (3,), FILTER="F150W2", PUPIL="F162M")
        | exposures(1, ("nrcb4",), (4, 5), SUBARRAY="SUB320")
    ),
    "other imagers": (
        exposures(1, ("mirimage",), (1, 2))
        | exposures(2, ("nis",), (1, 2))
        | exposures(2, ("nis",), (3,), FILTER="F444W", PUPIL="CLEARP")
        | exposures(3, ("guider1", "guider2"), (1, 2))
    ),
    "observations and targets": (
        exposures(1, ("nrca1",), (1, 2))
        | exposures(2, ("nrca1",), (1, 2))
        | exposures(3, ("nrca1",), (1,), TARGNAME="BETA", TARGTYPE="MOVING")
        | exposures(4, ("nrca1",), (1,), TARGNAME="BETA", TARGTYPE="MOVING")
    ),
    "backgrounds": (
        exposures(1, ("nrca1", "nrcb4"), (1, 2))
        | exposures(1, ("nrca1", "nrcb4"), (3, 4), BKGDTARG=True, TARGNAME="SKY")
    ),
    "time series and acquisitions": (
        exposures(1, ("nrca1",), (1, 2), TSOVISIT=True)
        | exposures(2, ("nrca1",), (1,), EXP_TYPE="NRC_TACQ")
        | exposures(2, ("nrca1",), (2, 3))
        | exposures(2, ("nrca1",), (4,), EXP_TYPE="NRC_TACONFIRM")
        | exposures(3, ("nrca1",), (1,), EXP_TYPE="NRC_DARK")
        | exposures(4, ("nrca1",), (1,), VISITYPE="PRIME_WFSC_ROUTINE")
    ),
    "bands of image slicers": (
        exposures(1, SLICERS, (1, 2))
        | exposures(1, SLICERS, (3, 4), BAND="LONG")
        | exposures(1, ("mirimage",), (9,), EXP_TYPE="MIR_TACQ")
        | exposures(2, SLICERS, (1,), TARGNAME="BETA")
    ),
    "backgrounds of image slicers": (
        exposures(1, SLICERS, (1, 2))
        | exposures(1, SLICERS, (3, 4), BAND="LONG")
        | exposures(1, SLICERS, (5, 6), BKGDTARG=True, TARGNAME="SKY")
        | exposures(1, SLICERS, (7,), BKGDTARG=True, TARGNAME="SKY", BAND="LONG")
    ),
    "nods along a slit": (
        exposures(1, ("mirimage",), (1,), EXP_TYPE="MIR_TACQ")
        | exposures(1, ("mirimage",), (2,), EXP_TYPE="MIR_TACONFIRM")
        | exposures(1, ("mirimage",), (3,), **SLIT, PATT_NUM=1)
        | exposures(1, ("mirimage",), (4,), **SLIT, PATT_NUM=2)
    ),
    "background of a slit": exposures(2, ("mirimage",), (1, 2), **SLIT, BKGDTARG=True),
}  # fmt: skip


@pytest.fixture
def asked(reference_pipeline, tmp_path):
    """Return a function that asks a program of the reference pipeline for files; answers are kept."""

    def ask(program, arguments, given, wanted):
        key = hashlib.sha256(json.dumps([program, arguments, given]).encode()).hexdigest()[:32]
        kept = CACHE / f"{key}.json"
        if not kept.exists():
            python = reference_pipeline.require()
            folder = tmp_path / key
            folder.mkdir()
            for name, content in given.items():
                write(folder / name, content)
            subprocess.run(
                [python.with_name(program), *arguments],
                cwd=folder, check=True, capture_output=True,
            )  # fmt: skip
            CACHE.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps({p.name: p.read_text() for p in folder.glob(wanted)}))
        return json.loads(kept.read_text())

    return ask


def write(path, content):
    """Write a text, or a file of nothing but a header."""
    if isinstance(content, str):
        path.write_text(content)
    else:
        fits.PrimaryHDU(header=fits.Header(content)).writeto(path)


def told(associations, *, suited=("image2", "tso-image2", "image3", "spec2", "spec3")):
    """Return of each association what is compared, by the name of its file."""
    return {
        name: (
            content["asn_type"],
            content["asn_rule"].replace("Lv2FGS", "Lv2Image"),  # one of many names for the same
            content["asn_id"],
            content["target"],
            [
                (
                    product["name"],
                    [m["expname"] for m in product["members"] if m["exptype"] == "science"],
                    sorted((m["exptype"], m["expname"]) for m in product["members"]),
                    sorted(m.get("asn_candidate", "") for m in product["members"]),
                )
                for product in content["products"]
            ],
        )
        for name, content in sorted(associations.items())
        if content["asn_type"] in suited
    }


def mended(pool):
    """Return a pool as an archive would have made it.

    ``asn_make_pool`` writes flags as the rules do not read them (True for t), gives a target that
    comes again a number of another, and has no column OBS_NUM, by which acquisitions are found.
    """
    rows = list(csv.DictReader(io.StringIO(pool), delimiter="|"))
    names = list(dict.fromkeys(row["targname"] for row in rows))
    for row in rows:
        row["targetid"] = str(names.index(row["targname"]) + 1)
        row["obs_num"] = row["observtn"]
        row.update({key: "t" for key in ("tsovisit", "bkgdtarg") if row[key] == "True"})
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    return "".join("|".join(line) + "\n" for line in lines)


@pytest.fixture
def compared(asked, tmp_path):
    """Return a function that compares what is made of a folder with exposures of these headers."""

    def compare(headers, by="observation", **more):
        names = ["pool.csv", *sorted(headers)]
        pool = mended(asked("asn_make_pool", names, headers, "pool.csv")["pool.csv"])
        which = "--all-candidates" if by == "observation" else "--discover"
        theirs = asked("asn_generate", ["pool.csv", which], {"pool.csv": pool}, "*.json")
        folder = tmp_path / "raw"
        folder.mkdir()
        for name, header in headers.items():
            write(folder / name, header)
        level = "all" if by == "observation" else "3"
        with pytest.raises(SystemExit, match="0"):
            commands.main(["associate", str(folder), "--by", by, "--level", level, "-q"])
        ours = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
        assert ours
        theirs = {name: json.loads(text) for name, text in theirs.items()}
        assert told(ours, **more) == told(theirs, **more)

    return compare


@pytest.mark.parametrize("by", ["observation", "target"])
@pytest.mark.parametrize("visit", VISITS)
def test_a_folder(compared, visit, by):
    compared(VISITS[visit], by)


def test_a_time_series_of_spectra(compared):
    """Of level 2 the reference pipeline takes it by a rule for confirmations of acquisitions."""
    headers = exposures(1, ("mirimage",), (1,), EXP_TYPE="MIR_TACQ")
    headers |= exposures(1, ("mirimage",), (2, 3), **SLITLESS)
    compared(headers, suited=("image2", "tso3"))


def test_simulated_exposures(compared, miri_visit, nircam_visit):
    keywords = next(iter(exposures(1, ("nrca1",)).values()))
    headers = {}
    for path in (*miri_visit.raw, *nircam_visit.raw):
        header = fits.getheader(path)
        headers[path.name] = {key: header[key] for key in keywords if key in header}
    compared(headers)


def test_backgrounds_of_another_observation(asked, tmp_path):
    """The proposal links the observations; here they are of one program, and given together."""
    headers = exposures(1, NIRCAM, (1, 2)) | exposures(1, ("nrca1",), (3,), SUBARRAY="SUB320")
    headers |= exposures(2, NIRCAM, (1, 2), TARGNAME="SKY", BKGDTARG=True)
    made = asked("asn_make_pool", ["pool.csv", *sorted(headers)], headers, "pool.csv")["pool.csv"]
    pool = mended(made).replace("')]", "'), ('c1001', 'background')]")
    theirs = asked("asn_generate", ["pool.csv", "--all-candidates"], {"pool.csv": pool}, "*.json")
    for name, header in headers.items():
        write(tmp_path / name, header)
    with pytest.raises(SystemExit, match="0"):
        commands.main(["associate", str(tmp_path), "--level", "2", "-q"])

    def members(contents):
        return {
            product["name"]: sorted((m["exptype"], m["expname"]) for m in product["members"])
            for content in map(json.loads, contents)
            if content["asn_type"] == "image2"
            for product in content["products"]
        }

    ours = members(path.read_text() for path in tmp_path.glob("*.json"))
    assert sum(len(listed) == 3 for listed in ours.values()) == 8
    assert ours == members(theirs.values())


def test_backgrounds_of_image_slicers_in_another_observation(asked, tmp_path):
    headers = exposures(1, SLICERS, (1, 2))
    headers |= exposures(2, SLICERS, (1,), TARGNAME="SKY", BKGDTARG=True)
    made = asked("asn_make_pool", ["pool.csv", *sorted(headers)], headers, "pool.csv")["pool.csv"]
    pool = mended(made).replace("')]", "'), ('c1001', 'background')]")
    theirs = asked("asn_generate", ["pool.csv", "--all-candidates"], {"pool.csv": pool}, "*.json")
    for name, header in headers.items():
        write(tmp_path / name, header)
    with pytest.raises(SystemExit, match="0"):
        commands.main(["associate", str(tmp_path), "-q"])

    def members(texts):
        return {
            product["name"].replace("c1001", "o001"): sorted(
                (m["exptype"], m["expname"]) for m in product["members"]
            )
            for text in texts
            for product in json.loads(text)["products"]
        }

    ours = members(path.read_text() for path in tmp_path.glob("*.json"))
    linked = members(text for name, text in theirs.items() if "-c1001_" in name)
    assert len(linked) == 5
    assert {name: ours[name] for name in linked} == linked


@pytest.mark.parametrize(
    ("rule", "suffix", "stage", "names"),
    [
        ("DMS_Level3_Base", "cal", "3", ["mine"]),
        ("DMSLevel2bBase", "rate", "2", ["jw01234001001_02101_00001_nis"]),
    ],
)
def test_lists_are_read(asked, tmp_path, rule, suffix, stage, names):
    (header,) = exposures(1, ("nis",)).values()
    file = header["FILENAME"].replace("uncal", suffix)
    words = ["-o", "x_asn.json", "--product-name", "mine", "-r", rule, f"./{file}"]
    (text,) = asked("asn_from_list", words, {file: header}, "x_asn.json").values()
    (tmp_path / "x_asn.json").write_text(text)
    association = load(tmp_path / "x_asn.json")
    assert (association.stage, association.pipeline) == (stage, "")
    assert [product.name for product in association.products] == names
    assert [member.role for member in association.products[0].members] == ["science"]


def filled(template):
    """Return a pool whose names and numbers are filled in, and its rows.

    Targets are numbered in their order.
    """
    number, observation = itertools.count(1), itertools.count(1)
    header, *lines = [line for line in template.splitlines() if line and line[0] != "#"]
    rows = []
    targets = {}
    last = 0
    for line in lines:
        if line.startswith("set "):
            continue
        if "next(obsnum)" in line:
            last = next(observation)
        texts = {
            "@!fmt_fname(next(expnum))": f"jw_{next(number):05d}_uncal.fits",
            "@!next(obsnum)": str(last),
            "@!obsnum.value": str(last),
        }
        row = dict(zip(header.split("|"), line.split("|"), strict=True))
        row = {name: texts.get(value, value) for name, value in row.items()}
        row["ASN_CANDIDATE"] = f"[('o{last:03d}', 'observation')]"
        row["TARGETID"] = str(targets.setdefault(row["TARGETID"], len(targets) + 1))
        rows.append(row)
    lines = [header, *("|".join(row.values()) for row in rows)]
    return "\n".join(lines) + "\n", rows


COLUMNS = {
    "INSTRUME": "instrument.name", "DETECTOR": "instrument.detector", "FILTER": "instrument.filter",
    "PUPIL": "instrument.pupil", "GRATING": "instrument.grating", "EXP_TYPE": "exposure.type",
    "SUBARRAY": "subarray.name", "PROGRAM": "observation.program_number",
    "OBS_NUM": "observation.observation_number", "TARGETID": "target.catalog_name",
    "VISITYPE": "visit.type",
}  # fmt: skip
YES = {"t", "true", "y"}
FLAGS = {
    "TSOVISIT": "visit.tsovisit", "BKGDTARG": "observation.bkgdtarg",
    "IS_PSF": "exposure.psf_reference", "IS_IMPRT": "exposure.imprint",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["001_candidates", "002_image_miri", "005_spec_niriss", "013_coron_nircam"]
)
def test_the_pool_of_a_proposal(asked, name):
    path = POOLS / f"pool_{name}.csv"
    if not path.is_file():
        pytest.skip("the pools of the reference pipeline's tests are not there")
    pool, rows = filled(path.read_text())
    words = ["pool.csv", "--all-candidates"]
    theirs = asked("asn_generate", words, {"pool.csv": pool}, "*.json")
    images = []
    for row in rows:
        values = {meta: row[column] for column, meta in COLUMNS.items() if column in row}
        values |= {meta: row.get(column, "").lower() in YES for column, meta in FLAGS.items()}
        meta = Meta({key: None if value == "NULL" else value for key, value in values.items()})
        root = row["FILENAME"].removesuffix("_uncal.fits")
        facts = discovery.instrument(row["INSTRUME"]).facts(meta)
        images.append(exposure_of(root, Path(), meta.with_facts(facts)))
    ours = {made.file: content_of(made, Path(), "") for made in group(images).made}
    assert ours
    assert told(ours) == told({name: json.loads(text) for name, text in theirs.items()})
