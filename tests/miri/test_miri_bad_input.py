"""Bad luck: each gets one sentence with the file and a remedy, and the other exposures are done."""

import os
import resource
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import numpy as np
import pytest
from astropy.io import fits

import calcore
from calcore.errors import UsageError
from calcore.flags import DQ
from calcore.run import Status, run, step

pytestmark = pytest.mark.usefixtures("miri_references")
NO_SERVER = "https://crds-serverless-mode.stsci.edu"
ROOT = "jw01234001001_02101_{:05d}_mirimage"


def header(keyword, value):
    """Return a change of one keyword; None removes it."""

    def change(file):
        extension = next(e for e in file if keyword in e.header)
        if value is None:
            del extension.header[keyword]
        else:
            extension.header[keyword] = value

    return change


def rename(old, new):
    def change(file):
        file[old].name = new

    return change


def as_float(value):
    def change(file):
        data = file["SCI"].data.astype(np.float32)
        data[...] = value
        file["SCI"].data = data

    return change


def one_group(file):
    file["SCI"].data = file["SCI"].data[:, :1]
    file["PRIMARY"].header["NGROUPS"] = 1
    for name in ("REFOUT",):
        if name in file:
            file[name].data = file[name].data[:, :1]


def saturated(file):
    file["SCI"].data[...] = 65535


def beyond_the_last(file):
    file["PRIMARY"].header.update(INTSTART=2, INTEND=2)


def no_pixels(file):
    file["SCI"].data = None


def plane(name, shape, kind):
    """Return a change that appends an image."""
    return lambda file: file.append(fits.ImageHDU(np.zeros(shape, kind), name=name))


def damaged(card, value):
    """Return a change of a card's value that astropy would not write."""
    wrong = card[:10] + value.rjust(20)
    return lambda _file: lambda content: content.replace(card, wrong, 1)


# What is done to an exposure, and what the sentence about it must say besides the file's name.
DEFECTS = {
    "no exposure type": (header("EXP_TYPE", None), ["EXP_TYPE", "add it"]),
    "no detector": (header("DETECTOR", None), ["DETECTOR", "add it"]),
    "no group time": (header("TGROUP", None), ["TGROUP", "add it"]),
    "no science extension": (rename("SCI", "DATA"), ["SCI"]),
    "unknown detector": (header("DETECTOR", "MIRIMAG"), ["MIRIMAG", "Did you mean 'MIRIMAGE'"]),
    "unknown exposure type": (header("EXP_TYPE", "MIR_IMAGO"), ["Did you mean 'MIR_IMAGE'"]),
    "other read-out": (header("FASTAXIS", -1), ["FASTAXIS", "correct the header"]),
    "size and data disagree": (header("SUBSIZE2", 80), ["SUBSIZE2"]),
    "no size": (header("SUBSIZE1", None), ["SUBSIZE1", "add it"]),
    "no corner": (header("SUBSTRT2", None), ["SUBSTRT2", "add it"]),
    "no gap between groups": (header("GROUPGAP", None), ["GROUPGAP", "add it"]),
    "more groups than there are": (header("NGROUPS", 9), ["9 groups", "holds 8"]),
    "fewer integrations": (header("NINTS", 2), ["2 integrations", "holds 1"]),
    "integrations beyond the last": (beyond_the_last, ["INTEND is 2", "NINTS, which is 1"]),
    "no such time": (header("EXPSTART", 1e30), ["EXPSTART is 1e+30", "between 0 and 1e+06"]),
    "text for a number": (header("NGROUPS", "many"), ["NGROUPS is 'many'", "a whole number"]),
    "no time passes": (header("TGROUP", 0.0), ["TGROUP is 0.0", "correct the header"]),
    "beyond the pole": (header("DEC_REF", 99.0), ["DEC_REF is 99.0", "between -90 and 90"]),
    "a target nowhere": (header("TARG_RA", "north"), ["TARG_RA is 'north'", "-360 and 720"]),
    "faster than light": (header("VELOSYS", 4e8), ["VELOSYS is 400000000.0", "correct the header"]),
    "no date": (header("DATE-OBS", None), ["DATE-OBS", "add it"]),
    "no such date": (header("DATE-OBS", "3rd of May"), ["3rd of May", "a date such as"]),
    "text for a scale": (damaged(b"BZERO   =                32768", b"'x'"), ["BZERO", "'x'"]),
    "negative axis": (damaged(b"NAXIS1  =                   72", b"-72"), ["'NAXIS1'"]),
    "negative heap": (damaged(b"PCOUNT  =                    0", b"-10"), ["'PCOUNT'"]),
    "flags of other groups": (
        plane("GROUPDQ", (1, 5, 64, 72), "u1"), ["GROUPDQ is 1 x 5 x 64 x 72", "1 x 8 x 64 x 72"],
    ),
    "flags of other pixels": (plane("PIXELDQ", (9, 9), "u4"), ["PIXELDQ is 9 x 9"]),
    "no pixels": (no_pixels, ["SCI holds no image"]),
    "two images": (plane("SCI", (1, 8, 64, 72), "f4"), ["2 extensions SCI"]),
}  # fmt: skip


def write(visit, path, change):
    with fits.open(visit.raw[0], memmap=False) as file:
        damage = change(file)
        file.writeto(path)
    if damage is not None:
        path.write_bytes(damage(path.read_bytes()))
    return path


@pytest.fixture(scope="module")
def bad(miri_visit, tmp_path_factory):
    """A folder of bad exposures and two good ones, and their names by defect."""
    folder = tmp_path_factory.mktemp("bad") / "raw"
    folder.mkdir()
    names = {}
    for number, (defect, (change, _)) in enumerate(DEFECTS.items(), 11):
        names[defect] = ROOT.format(number)
        write(miri_visit, folder / f"{ROOT.format(number)}_uncal.fits", change)
    whole = miri_visit.raw[0].read_bytes()
    cut = {
        "empty": b"", "text": b"nothing of the kind\n" * 400, "cut in the header": whole[:2000],
        "cut in the data": whole[:-30000],
    }  # fmt: skip
    for number, (defect, content) in enumerate(cut.items(), 51):
        names[defect] = ROOT.format(number)
        (folder / f"{ROOT.format(number)}_uncal.fits").write_bytes(content)
    for path in miri_visit.raw:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder, names


@pytest.fixture(scope="module")
def done(bad, miri_visit, tmp_path_factory):
    """What the command line says of them."""
    output = tmp_path_factory.mktemp("done")
    cache = {"CRDS_PATH": str(miri_visit.folder / "crds_cache"), "CRDS_SERVER_URL": NO_SERVER,
             "CRDS_OBSERVATORY": "jwst", "CRDS_READONLY_CACHE": "1"}  # fmt: skip
    words = ("run", bad[0], "--stage", "1", "-o", output, "--no-pictures")
    return command(*words, env={**os.environ, **cache}), output


def command(*words, limit_bytes=None, **more):
    """Run the command line in a process of its own."""

    def limits():
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.run(
        [sys.executable, "-m", "calcore.cli", *map(str, words)],
        capture_output=True, text=True, check=False, preexec_fn=limits, **more,
    )  # fmt: skip


def sentences(done):
    return [line for line in done.stderr.splitlines() if line.startswith("calcore: ")]


def test_good_exposures_are_done_among_bad_ones(done, miri_visit):
    ended, output = done
    assert ended.returncode == 1
    made = {path.name for path in output.iterdir()}
    expected = {"calcore_runs"}
    for path in miri_visit.raw:
        expected |= {path.name.replace("uncal", suffix) for suffix in ("rate", "rateints")}
    assert made == expected  # and nothing half-written, under any name


def test_each_bad_exposure_gets_one_sentence(done, bad):
    said = sentences(done[0])
    for defect, name in bad[1].items():
        assert len([line for line in said if name in line]) == 1, (defect, said)
    assert len(said) == len(bad[1])
    assert "Traceback" not in done[0].stderr
    assert "unexpected" not in done[0].stderr


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_sentence_says_what_was_found_and_what_helps(done, bad, defect):
    (line,) = [line for line in sentences(done[0]) if bad[1][defect] in line]
    for text in DEFECTS[defect][1]:
        assert text in line


@pytest.mark.parametrize(
    ("defect", "text"),
    [
        ("empty", "is not a FITS file"), ("text", "is not a FITS file"),
        ("cut in the header", "end within a header"), ("cut in the data", "promise"),
    ],
)  # fmt: skip
def test_broken_files_are_told_apart(done, bad, defect, text):
    (line,) = [line for line in sentences(done[0]) if bad[1][defect] in line]
    assert text in line


@pytest.mark.parametrize(
    "change",
    [as_float(np.nan), as_float(np.inf), saturated, one_group],
    ids=["nan", "infinite", "saturated", "one-group"],
)
def test_an_exposure_without_usable_samples_is_done_or_refused_but_never_wrong(
    miri_visit, tmp_path, change
):
    path = write(miri_visit, tmp_path / f"{ROOT.format(1)}_uncal.fits", change)
    (outcome,) = run(path, stage="1", output=tmp_path / "out").products
    if outcome.status is Status.FAILED:
        assert outcome.name == ROOT.format(1)  # the command line puts it before the reason
        assert outcome.exit_status in {1, 64}
        assert "unexpected" not in outcome.reason
        assert not list((tmp_path / "out").glob("*"))
    else:
        rate = calcore.open(tmp_path / "out" / path.name.replace("uncal", "rate"))
        usable = (rate.dq & np.uint32(DQ.DO_NOT_USE | DQ.REFERENCE_PIXEL)) == 0
        assert np.isfinite(rate.data[usable]).all()
        assert np.isfinite(rate.err[usable]).all()
        if change is not one_group:
            assert not usable.any()


def test_a_mode_without_pipeline_is_refused_with_the_version(miri_products, tmp_path):
    rate = next(miri_products[0].glob("*_rate.fits"))
    path = tmp_path / rate.name
    with fits.open(rate, memmap=False) as file:
        file[0].header["EXP_TYPE"] = "MIR_WFSS"
        file.writeto(path)
    (outcome,) = run(path, stage="2", output=tmp_path / "out").products
    assert outcome.status is Status.FAILED
    for text in ("calcore-miri", version("calcore-miri"), "stage-2", "MIR_WFSS"):
        assert text in outcome.reason


def reference(miri_visit, kind):
    folder = miri_visit.folder / "crds_cache" / "references" / "jwst"
    return min(folder.rglob(f"*_{kind}_*"))


@pytest.mark.parametrize("kind", ["dark", "gain", "saturation", "linearity"])
def test_a_reference_of_another_shape_is_refused(miri_visit, tmp_path, kind):
    path = tmp_path / f"my_{kind}.fits"
    with fits.open(reference(miri_visit, kind), memmap=False) as file:
        for extension in file[1:]:
            if extension.is_image and extension.data is not None and extension.data.ndim >= 2:
                extension.data = extension.data[..., :20, :30]
        for number, size in ((1, 30), (2, 20)):
            file[0].header[f"SUBSIZE{number}"] = size
        file.writeto(path)
    (outcome,) = run(
        miri_visit.raw[0], stage="1", output=tmp_path / "out", references={kind: str(path)}
    ).products
    assert outcome.status is Status.FAILED
    assert path.name in outcome.reason
    assert not list((tmp_path / "out").glob("*"))


def keyword(name, value):
    return lambda file: file[0].header.set(name, value)


def without(table, column):
    return lambda file: file[table].columns.del_col(column)


def deeper(name):
    def change(file):
        file[name].data = file[name].data[None]

    return change


# Type of reference, what is done to it, and what the sentence says besides the file's name.
WRONG = {
    "other instrument": ("gain", keyword("INSTRUME", "OTHER"), ["INSTRUME is OTHER", "where MIRI"]),
    "other detector": ("gain", keyword("DETECTOR", "OTHER"), ["DETECTOR is OTHER"]),
    "other type": ("readnoise", keyword("REFTYPE", "GAIN"), ["REFTYPE is GAIN"]),
    "other orientation": ("dark", keyword("FASTAXIS", -1), ["FASTAXIS is -1", "where 1"]),
    "no place": ("gain", keyword("SUBSTRT2", "left"), ["SUBSTRT2", "'left'"]),
    "no number of frames": ("dark", keyword("NFRAMES", "x"), ["NFRAMES", "'x'"]),
    "an axis more": ("gain", deeper("SCI"), ["SCI has 3 axes"]),
    "an axis more for flags": ("linearity", deeper("DQ"), ["DQ is 1 x 1024 x 1032"]),
    "no column": ("rscd", without("RSCD_GROUP_SKIP", "readpatt"), ["no column readpatt"]),
}  # fmt: skip


@pytest.mark.parametrize("defect", WRONG)
def test_a_reference_for_something_else_is_refused(miri_visit, tmp_path, defect):
    kind, change, texts = WRONG[defect]
    path = tmp_path / f"my_{kind}.fits"
    with fits.open(reference(miri_visit, kind), memmap=False) as file:
        change(file)
        file.writeto(path)
    references = {kind: str(path)}
    (outcome,) = run(
        miri_visit.raw[0], stage="1", output=tmp_path / "out", references=references
    ).products
    assert outcome.status is Status.FAILED
    assert not list((tmp_path / "out").glob("*"))
    for text in (path.name, *texts):
        assert text in outcome.reason
    assert "unexpected" not in outcome.reason


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        ("dark", lambda visit: visit.raw[0], "is an exposure, not a dark reference"),
        ("ipc", lambda visit: visit.raw[0], "is an exposure, not an ipc reference"),
        ("gain", lambda visit: reference(visit, "distortion"), "is an ASDF file"),
    ],
)
def test_what_is_no_reference_is_refused(miri_visit, tmp_path, kind, given, text):
    references = {kind: str(given(miri_visit))}
    (outcome,) = run(
        miri_visit.raw[0], stage="1", output=tmp_path / "out", references=references
    ).products
    assert outcome.status is Status.FAILED
    assert outcome.exit_status == 1
    assert text in outcome.reason


@pytest.mark.parametrize("content", [b"", b"nothing of the kind\n" * 400], ids=["empty", "text"])
def test_a_reference_that_is_no_reference_is_named(miri_visit, tmp_path, content):
    path = tmp_path / "my_gain.fits"
    path.write_bytes(content)
    (outcome,) = run(
        miri_visit.raw[0], stage="1", output=tmp_path / "out", references={"gain": str(path)}
    ).products
    assert outcome.status is Status.FAILED
    assert "my_gain.fits" in outcome.reason


def test_a_photom_table_without_the_exposure_s_row_fails_it(miri_visit, miri_products, tmp_path):
    path = tmp_path / "my_photom.fits"
    with fits.open(reference(miri_visit, "photom"), memmap=False) as file:
        table = file["PHOTOM"]
        column = next(name for name in table.columns.names if name.lower() == "filter")
        table.data[column] = "F9999W"
        file.writeto(path)
    rate = next(miri_products[0].glob("*_rate.fits"))
    (outcome,) = run(
        rate, stage="2", output=tmp_path / "out", references={"photom": str(path)}
    ).products
    assert outcome.status is Status.FAILED
    assert "F770W" in outcome.reason
    assert not list((tmp_path / "out").glob("*_cal.fits"))


def test_one_step_takes_what_it_works_on_and_overwrites_nothing(
    miri_visit, miri_products, tmp_path
):
    done = step("dq_init", miri_visit.folder, output=tmp_path)
    assert len(done.products) == len(miri_visit.raw)
    assert done.exit_status == 0
    (again,) = step("dq_init", miri_visit.raw[0], output=tmp_path).products
    assert again.status is Status.FAILED
    assert "_dq_init.fits: is there already; use --overwrite" in again.reason
    (again,) = step("dq_init", miri_visit.raw[0], output=tmp_path, overwrite=True).products
    assert again.status is Status.COMPLETE
    left = done.products[0].files
    (after,) = step("saturation", left, output=tmp_path).products
    assert [path.name.partition("_mirimage_")[2] for path in after.files] == ["saturation.fits"]
    ramp = calcore.open(after.files[0])
    assert (ramp.meta["cal_step.dq_init"], ramp.meta["cal_step.saturation"]) == ("COMPLETE",) * 2
    rate = next(miri_products[0].glob("*_rate.fits"))
    (placed,) = step("assign_wcs", rate, output=tmp_path).products
    (flat,) = step("flat_field", placed.files, output=tmp_path).products
    assert flat.status is Status.COMPLETE
    (wrong,) = step("source_catalog", rate, output=tmp_path).products
    assert f"{rate}: holds a rate, where a mosaic is needed" in wrong.reason
    with pytest.raises(UsageError, match="there is nothing to do"):
        step("dq_init", next(miri_products[0].glob("*_cal.fits")), output=tmp_path)


def test_a_product_of_another_reference_is_not_kept(miri_visit, tmp_path):
    path = tmp_path / "my_gain.fits"
    path.write_bytes(reference(miri_visit, "gain").read_bytes())

    def again():
        (outcome,) = run(
            miri_visit.raw[0], stage="1", output=tmp_path / "out", references={"gain": path}
        ).products
        return outcome

    assert again().status is Status.COMPLETE
    assert again().status is Status.KEPT
    later = time.time() + 100
    os.utime(path, (later, later))
    assert again().status is Status.KEPT
    path.write_bytes(path.read_bytes() + bytes(2880))
    made = again()
    assert made.status is Status.COMPLETE
    assert "the gain reference of jump has changed" in made.why


def test_a_run_that_was_cut_off_between_two_files_is_taken_up_again(miri_visit, tmp_path):
    """The file that later runs look for comes last."""
    run(miri_visit.raw[0], stage="1", output=tmp_path)
    rate, rates = (next(tmp_path.glob(f"*_{suffix}.fits")) for suffix in ("rate", "rateints"))
    assert rate.stat().st_mtime_ns >= rates.stat().st_mtime_ns


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no such signals")
@pytest.mark.usefixtures("miri_products")  # kernels are compiled, and kept, by then
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_half_written_file(miri_visit, tmp_path, number):
    # A program that a shell put into the background is born deaf to SIGINT.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from calcore.cli import main; main()"
    )
    words = [sys.executable, "-c", code, "run", str(miri_visit.folder), "-o", str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        for _ in range(6000):
            if running.poll() is not None or any(tmp_path.glob("*_rateints.fits")):
                break
            time.sleep(0.01)
        running.send_signal(number)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert said.splitlines()[-1].startswith("calcore: interrupted")
    assert "Traceback" not in said
    for path in tmp_path.iterdir():
        assert not path.name.startswith(".")
        if path.suffix == ".fits":
            calcore.open(path)


@pytest.mark.usefixtures("miri_products")  # kernels are compiled, and kept, by then
def test_a_full_disk_leaves_nothing_behind(miri_visit, tmp_path):
    output = tmp_path / "out"
    ended = command(
        "run", miri_visit.raw[0], "--stage", "1", "-o", output, "--no-pictures",
        limit_bytes=40000,
    )  # fmt: skip
    assert ended.returncode == 1
    (line,) = sentences(ended)
    assert "_rate" in line
    assert not list(output.glob("*"))


def test_an_output_that_is_no_folder_is_named(miri_visit, tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    ended = command("run", miri_visit.raw[0], "--stage", "1", "-o", blocked / "out")
    assert ended.returncode == 1
    (line,) = sentences(ended)
    assert str(blocked) in line
    ended = command("run", miri_visit.raw[0], "--stage", "1", "-o", tmp_path / ("y" * 300))
    (line,) = sentences(ended)
    assert "File name too long; choose another with -o" in line


def test_what_is_no_file_is_named_and_not_waited_for(miri_visit, tmp_path):
    os.mkfifo(tmp_path / "pipe_uncal.fits")
    (tmp_path / "folder_uncal.fits").mkdir()
    (tmp_path / miri_visit.raw[0].name).symlink_to(miri_visit.raw[0])
    products = run(tmp_path, stage="1", output=tmp_path / "out").products
    assert [one.name for one in products if one.status is Status.FAILED] == [
        "folder_uncal.fits", "pipe_uncal.fits",
    ]  # fmt: skip
    assert all("is no file with content; name" in one.reason for one in products[:2])
    assert products[2].status is Status.COMPLETE


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_output_that_may_not_be_written_is_named(miri_visit, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    ended = command("run", miri_visit.raw[0], "--stage", "1", "-o", locked)
    assert ended.returncode == 1
    (line,) = sentences(ended)
    assert str(locked) in line


def test_an_association_that_names_what_is_not_there(miri_visit, tmp_path):
    association = tmp_path / miri_visit.association.name
    association.write_bytes(miri_visit.association.read_bytes())
    ended = command("run", association, "-o", tmp_path / "out")
    assert ended.returncode == 1
    (line,) = sentences(ended)
    assert "mirimage" in line
    assert "put them beside the association" in line


def test_an_association_that_is_no_json(tmp_path):
    path = tmp_path / "x_asn.json"
    path.write_text("{")
    ended = command("run", path)
    assert ended.returncode in {1, 2}
    assert str(path) in sentences(ended)[0]
