"""A run as one page of HTML: what it says, and that a browser finds nothing missing."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Picture

from calcore import io
from calcore.cli.app import commands
from calcore.errors import DataUnusable, FileInvalid, FileProblem
from calcore.flags import DQ
from calcore.model import Image, Meta
from calcore.registry.works import works_of_step
from calcore.report.account import gather
from calcore.report.page import SECTIONS, memory, seconds
from calcore.report.pictures import looks
from calcore.run.manifest import FOLDER, FORM, asked
from calcore.run.request import Request

NAME = "jw01_det"
EVIL = "<script>alert('x')</script>"
REQUEST = asked(Request())


def step(name, status="complete", **more):
    return {
        "name": name, "use": name, "source": "calcore 0.1.0", "skipped": "", "status": status,
        "settings": {}, "references": {}, **more,
    }  # fmt: skip


def product(name=NAME, pipeline="detector1", **more):
    return {
        "name": name, "pipeline": pipeline, "status": "complete", "reason": "", "why": "",
        "seconds": 2.5, "files": [], "figures": [], "inputs": {}, "steps": [], "chains": [],
        "warnings": [], "profile": "default", **more,
    }  # fmt: skip


def rich_product(folder):
    """A product of which a manifest tells all that it can."""
    jump = step(
        "jump", seconds=1.5, flagged={"samples": {"JUMP_DET": 12345}, "pixels": {"DO_NOT_USE": 7}},
        settings={
            "rejection_threshold": {"value": 9.0, "origin": "the command line"},
            "find_showers": {"value": False, "origin": "default of the step"},
        },
        references={"gain": {"name": "gain_1.fits", "origin": "CRDS", "path": None, "content": ""}},
        cites=["Anderson & Gordon 2011, PASP 123, 1237"],
    )  # fmt: skip
    return product(
        files=[str(folder / f"{NAME}_rate.fits")], steps=[jump, step("ipc", "skipped", skipped="off")],
        chains=[
            {"steps": ["jump"], "seconds": 1.0, "peak_memory": 300_000_000},
            {"steps": [], "seconds": 0.2, "peak_memory": 1_500_000_000},
        ],
        warnings=[{"message": EVIL, "source": "UserWarning", "step": "jump"}],
        figures=[
            {"name": "flagged [%]", "value": 71.0, "low": 0.0, "high": 40.0},
            {"name": "noise", "value": "nan", "low": None, "high": 3.0},
        ],
        context="jwst_1234.pmap",
    )  # fmt: skip


def write_manifest(folder, products, mark="a", **more):
    place = folder / FOLDER / f"20260101T000000_{mark}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "calcore_manifest": FORM, "begun": f"2026-01-01T00:00:0{ord(mark) - 97}+00:00",
        "command": ["calcore", "run", "a b"], "status": "done", "seconds": 3.0, "waiting": [],
        "packages": {"calcore": "0.1.0", "numpy": "2.4.0"}, "products": products,
        "machine": {"python": "3.11", "implementation": "CPython", "platform": "x", "cores": 2},
        "step": None, "request": REQUEST, **more,
    }  # fmt: skip
    place.write_text(json.dumps(content))
    return place


def write_rate(folder, name=NAME):
    data = np.linspace(0, 50, 40 * 60, dtype=np.float32).reshape(40, 60)
    dq = np.zeros(data.shape, np.uint32)
    dq[:4] = DQ.DO_NOT_USE
    meta = Meta({"bunit_data": "DN/s", "instrument.name": "ANY", "model_type": "ImageModel"})
    path = folder / f"{name}_rate.fits"
    io.write(Image(meta=meta, data=data, err=data, dq=dq), path)
    return path


@pytest.fixture
def folder(tmp_path):
    """The folder of a run of one exposure that made a combined product, too, which failed."""
    place = tmp_path / "out"
    place.mkdir()
    write_rate(place)
    failed = product("all", "image3", status="failed", reason="there are no stars", seconds=0.1)
    write_manifest(place, [rich_product(place), failed])
    return place


@pytest.fixture
def page(folder):
    shown = CliRunner().invoke(commands, ["report", str(folder)])
    assert shown.exit_code == 0, shown.output
    return folder / "report.html"


class Reading(HTMLParser):
    """What of a page can be checked without a browser."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.sources, self.tags = [], [], [], [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        self.links += [given["href"]] if "href" in given else []
        self.sources += [given["src"]] if "src" in given else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(page):
    read = Reading(page.read_text(encoding="utf-8"))
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    assert [name for name, _ in SECTIONS] == [name for name in read.ids if "-" not in name]
    anchors = [link.removeprefix("#") for link in read.links if link.startswith("#")]
    assert set(anchors) <= set(read.ids)
    assert {link for link in read.links if not link.startswith("#")} == {"data:,"}
    assert read.sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in read.sources)
    assert "script" not in read.tags


def words_of(page):
    text = re.sub(
        r"<style>.*?</style>|<[^>]+>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return " ".join(text.split())


def test_it_tells_what_was_made_and_how(page):
    text = words_of(page)
    for told in (
        "1 complete , 1 failed", "there are no stars", "calcore run &#39;a b&#39;",
        "1.50 s", "300 MB", "1.50 GB", "JUMP_DET 12,345", "DO_NOT_USE 7",
        "jump.rejection_threshold 9.0 4.0 the command line",
        "gain gain_1.fits CRDS jump", "jwst_1234.pmap", "beyond its limits", "numpy 2.4.0",
        "Anderson &amp; Gordon 2011, PASP 123, 1237 jump", "Harris et al. 2020",
        "figures beyond limits 2 of 2", "warnings 1",
    ):  # fmt: skip
        assert told in text, told
    assert "find_showers" not in text  # as the step has it
    assert EVIL not in page.read_text(encoding="utf-8")


def test_pictures_can_be_left_out(folder):
    shown = CliRunner().invoke(
        commands, ["report", str(folder), "--pictures", "0", "-o", str(folder / "p.html")]
    )
    assert shown.exit_code == 0
    text = words_of(folder / "p.html")
    assert "No pictures." in text
    assert "2 more products have none here" in text


def test_a_file_without_picture_does_not_stop_the_page(folder):
    (folder / f"{NAME}_rate.fits").write_text("not FITS")
    shown = CliRunner().invoke(commands, ["report", str(folder)])
    assert shown.exit_code == 0
    assert f"calcore: no picture of {NAME}_rate.fits" in shown.stderr


def test_of_several_runs_the_one_that_made_a_product_tells(tmp_path):
    write_manifest(tmp_path, [product(seconds=5.0), product("b")], "a")
    write_manifest(tmp_path, [product(status="kept", seconds=0.1), product("b", seconds=7.0)], "b")
    run = gather([tmp_path])
    assert [(item.name, item.status, item.seconds) for item in run.products] == [
        (NAME, "complete", 5.0), ("b", "complete", 7.0),
    ]  # fmt: skip
    assert run.seconds is None  # two, one of which made what the other has made again
    assert len(run.sources) == len(run.begun) == 2
    one = gather([run.sources[1]])
    assert [item.status for item in one.products] == ["kept", "complete"]
    assert gather([tmp_path / FOLDER]).products == run.products
    assert one.seconds == 3.0


def test_the_head_of_the_page_sums_up_what_the_tables_show(tmp_path):
    steps = [step("jump", seconds=2.0)]
    write_manifest(tmp_path, [product(seconds=5.0, steps=steps), product("b", seconds=9.0)], "a")
    again = [product(status="kept", seconds=0.1), product("b", seconds=7.0, steps=steps)]
    write_manifest(tmp_path, again, "b", seconds=None, status="running")  # was killed
    assert CliRunner().invoke(commands, ["report", str(tmp_path), "--pictures=0"]).exit_code == 0
    text = words_of(tmp_path / "report.html")
    assert "2 runs, the first begun 2026-01-01 00:00:00 UTC, the last 2026-01-01 00:00:01" in text
    assert "time of products 12.00 s thread-seconds in steps 4.00 s" in text
    write_manifest(tmp_path, [product()], "a")
    (tmp_path / FOLDER / "20260101T000000_b.json").unlink()
    assert CliRunner().invoke(commands, ["report", str(tmp_path), "--pictures=0"]).exit_code == 0
    assert "Begun 2026-01-01 00:00:00 UTC, took 3.00 s." in words_of(tmp_path / "report.html")


def test_a_product_that_was_kept_after_a_failure_is_told_by_who_made_it(tmp_path):
    write_manifest(tmp_path, [product(seconds=5.0)], "a")
    write_manifest(tmp_path, [product(status="failed", reason="no dark")], "b")
    assert [item.status for item in gather([tmp_path]).products] == ["failed"]
    write_manifest(tmp_path, [product(status="kept", seconds=0.1)], "c")
    (told,) = gather([tmp_path]).products
    assert (told.status, told.seconds) == ("complete", 5.0)


def test_what_an_earlier_run_has_left_waits_until_it_is_made(tmp_path):
    write_manifest(tmp_path, [product()], "a", status="interrupted", waiting=["b", "c"])
    write_manifest(tmp_path, [product("b")], "b")
    run = gather([tmp_path])
    assert (run.status, run.waiting) == ("interrupted", ("c",))
    write_manifest(tmp_path, [product("c")], "c")
    run = gather([tmp_path])
    assert (run.status, run.waiting) == ("done", ())


def test_what_cannot_be_told_of_is_refused(tmp_path):
    with pytest.raises(DataUnusable, match="tells of a run: neither manifests nor products"):
        gather([tmp_path])
    with pytest.raises(FileProblem, match="no such file"):
        gather([tmp_path / "nothing"])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(FileInvalid, match="no key calcore_manifest"):
        gather([tmp_path / "x.json"])


def test_a_damaged_manifest_of_a_folder_is_told_and_left_out(folder):
    bad = folder / FOLDER / "20260102T000000_b.json"
    bad.write_text('{"calcore_manifest": 1}')
    shown = CliRunner().invoke(commands, ["report", str(folder)])
    assert shown.exit_code == 0
    assert f"calcore: left out: {bad}: is a manifest that cannot be used: begun is" in shown.stderr
    assert "2 products" in shown.stdout
    for path in (folder / FOLDER).glob("*_a.json"):
        path.unlink()
    shown = CliRunner().invoke(commands, ["report", str(folder)])
    assert (shown.exit_code, shown.stderr.count("\n")) == (1, 1)
    assert shown.stderr.startswith(f"calcore: {bad}: is a manifest that cannot be used")


def test_a_picture_has_its_first_row_below_and_unusable_pixels_grey(tmp_path):
    import base64
    import io as streams

    (shown,) = looks(write_rate(tmp_path))
    assert (shown.stage, shown.width, shown.height) == ("rate", 60, 40)
    assert shown.caption.endswith("DN/s")
    assert shown.flags == (("DO_NOT_USE", 240, pytest.approx(0.1)),)
    image = Picture.open(streams.BytesIO(base64.b64decode(shown.uri.partition(",")[2])))
    pixels = np.asarray(image).astype(int)
    assert np.abs(pixels[-2, 30] - 140).max() < 12  # grey
    assert pixels[1, 30].sum() > pixels[25, 30].sum()  # brighter upwards


@pytest.mark.parametrize(
    ("size", "text"), [(None, ""), (5_000_000, "5 MB"), (2_340_000_000, "2.34 GB")]
)
def test_memory_is_told_in_round_numbers(size, text):
    assert memory(size) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [(None, ""), (0.456, "0.46 s"), (100, "1 min 40 s"), (3725.4, "1 h 02 min")],
)
def test_times_are_told_in_round_numbers(time, text):
    assert seconds(time) == text


def test_works_depend_on_settings():
    brandt = "Brandt 2024, PASP 136, 045004"
    assert brandt in works_of_step("ramp_fit", {"algorithm": "LIKELY", "of_old": 1})
    assert brandt not in works_of_step("ramp_fit", {})
    assert works_of_step("nobody.knows", {}) == ()


def test_steps_tell_which_works_they_follow():
    shown = CliRunner().invoke(commands, ["steps", "ramp_fit"]).stdout
    assert "  follows Brandt 2024, PASP 136, 045004 (algorithm=LIKELY)\n" in shown
    assert "follows" not in CliRunner().invoke(commands, ["steps", "dq_init"]).stdout


def test_info_tells_what_to_cite_for_a_product(tmp_path):
    slots = [
        {
            "name": name, "use": "ramp_fit", "source": "calcore 0.1.0", "status": status,
            "settings": {"algorithm": algorithm},
        }
        for name, status, algorithm in (("a", "complete", "LIKELY"), ("b", "skipped", "OLS_C"))
    ]  # fmt: skip
    data = np.ones((4, 5), np.float32)
    image = Image(meta=Meta({}), data=data, err=data, dq=np.zeros((4, 5), np.uint32))
    tree = {"calcore": {"detector1": {"version": "0.1.0", "slots": slots}}}
    path = io.write(image, tmp_path / "jw01_x1_rate.fits", record_tree=tree)
    shown = CliRunner().invoke(commands, ["info", str(path)]).stdout.splitlines()
    assert shown[shown.index("  to cite") + 1] == "      Brandt 2024, PASP 136, 045004"
    assert not any("Fixsen" in line for line in shown)


@pytest.fixture(scope="module")
def browser():
    """A browser without a screen: that of the system, or Playwright's own."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except api.Error as error:
            reason = str(error).strip().splitlines()[0]
            pytest.skip(f"no browser starts (install chromium, or playwright install): {reason}")
        yield opened
        opened.close()


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_page_without_a_word_or_a_request(browser, page, scheme, script):
    context = browser.new_context(color_scheme=scheme, java_script_enabled=script)
    opened = context.new_page()
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(page.as_uri())
    assert asked == [page.as_uri()]
    for name, _ in SECTIONS:
        assert opened.locator(f"section#{name} > h2").is_visible(), name
    for link in opened.locator("a").all():
        target = link.get_attribute("href")
        assert opened.locator(f"[id='{target.removeprefix('#')}']").count() == 1
    assert opened.locator("img").count() == 1
    if script:  # or the page cannot be asked
        sizes = opened.evaluate("[...document.images].map(i => [i.naturalWidth, i.complete])")
        assert sizes == [[60, True]]
        colours = opened.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        ink, paper = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (ink > paper) == (scheme == "dark")
        assert abs(ink - paper) > 400
        opened.locator("nav a[href='#citations']").click()
        assert opened.evaluate("location.hash") == "#citations"
    assert said == []
    context.close()
