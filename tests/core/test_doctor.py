"""What calcore doctor finds, and what it prints for a report of a fault."""

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import PackageNotFoundError

import pytest
from click.testing import CliRunner

from calcore.cli import checkup
from calcore.cli.app import commands
from calcore.registry import soundness

SERVERLESS = "https://crds-serverless-mode.stsci.edu"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of reference files, as CRDS lays it out."""
    folder = tmp_path / "crds"
    (folder / "mappings/jwst").mkdir(parents=True)
    (folder / "references/jwst").mkdir(parents=True)
    for number in (1, 2):
        (folder / f"mappings/jwst/jwst_000{number}.pmap").touch()
    (folder / "references/jwst/dark.fits").write_bytes(bytes(2_000_000))
    monkeypatch.setenv("CRDS_PATH", str(folder))
    monkeypatch.setenv("CRDS_SERVER_URL", SERVERLESS)
    monkeypatch.delenv("CRDS_READONLY_CACHE", raising=False)
    return folder


def ask(*words):
    return CliRunner().invoke(commands, ["doctor", *words])


def line_of(shown, word):
    return next(line for line in shown.stdout.splitlines() if word in line)


def test_each_line_says_how_it_is(cache):
    shown = ask()
    lines = shown.stdout.splitlines()
    assert all(line[:7].strip() in {"ok", "note", "WRONG"} for line in lines)
    assert shown.exit_code == any(line.startswith("WRONG") for line in lines)
    assert line_of(shown, "reference files:").endswith("(CRDS_PATH), 1 files of 2 MB")
    assert "2 contexts, jwst_0002.pmap last" in shown.stdout
    assert "stands for none: everything comes from the cache" in shown.stdout
    for word in ("instruments: ", "steps, hooks and other parts", "memory: ", "disk: ", "cores"):
        assert line_of(shown, word).startswith(("ok", "note"))


def test_an_empty_cache_is_no_fault_where_it_can_be_filled(cache, monkeypatch):
    monkeypatch.setenv("CRDS_PATH", str(cache / "new"))
    monkeypatch.delenv("CRDS_SERVER_URL")
    shown = ask("--no-server")
    assert line_of(shown, "reference files:").endswith("empty")
    assert line_of(shown, "none yet; the first run fetches them").startswith("note")
    assert "CRDS server" not in shown.stdout


@pytest.mark.parametrize("barred", ["CRDS_READONLY_CACHE", "CRDS_SERVER_URL"])
def test_an_empty_cache_that_nothing_can_fill_is_wrong(cache, monkeypatch, barred):
    (cache / "new").mkdir()
    monkeypatch.setenv("CRDS_PATH", str(cache / "new"))
    if barred == "CRDS_READONLY_CACHE":
        monkeypatch.delenv("CRDS_SERVER_URL")
        monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    shown = ask("--no-server")
    assert shown.exit_code == 1
    line = line_of(shown, "rules for reference files: none yet")
    assert line.startswith("WRONG")
    assert f"(no .pmap in {cache / 'new'}/mappings/jwst), and {barred} keeps runs from" in line
    assert "set CRDS_PATH to a cache that has them, or unset" in line


def test_a_cache_that_is_read_only_must_be_there(cache, monkeypatch):
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    assert "read only" in line_of(ask(), "reference files:")
    monkeypatch.setenv("CRDS_PATH", str(cache / "gone"))
    shown = ask()
    assert shown.exit_code == 1
    assert line_of(shown, "there is no such folder; set CRDS_PATH").startswith("WRONG")


def test_a_folder_that_cannot_be_written_is_wrong(cache, monkeypatch):
    place = cache / "file"
    place.touch()
    monkeypatch.setenv("CRDS_PATH", str(place / "crds"))
    shown = ask()
    assert shown.exit_code == 1
    line = line_of(shown, "reference files:")
    assert line.startswith(f"WRONG  reference files: {place}/crds (CRDS_PATH), empty, which cannot")


class Refuses(BaseHTTPRequestHandler):
    """Answers, if only that there is nothing."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_words):
        pass


@pytest.fixture
def server():
    serving = HTTPServer(("127.0.0.1", 0), Refuses)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_a_server_that_answers_anything_is_there(cache, server, monkeypatch):
    monkeypatch.setenv("CRDS_SERVER_URL", server)
    assert line_of(ask(), "CRDS server") == f"ok     CRDS server: {server} answers"


@pytest.mark.parametrize(
    ("address", "reason"),
    [("http://127.0.0.1:9", "refused"), ("ftp://x", "no web address"), ("http://[x", "")],
)
def test_a_server_that_cannot_be_reached_is_a_note(cache, monkeypatch, address, reason):
    monkeypatch.setenv("CRDS_SERVER_URL", address)
    line = line_of(ask(), "CRDS server")
    assert line.startswith(f"note   CRDS server: {address} cannot be reached (")
    assert reason in line
    assert line.endswith("what the cache holds can be used")
    monkeypatch.setenv("CRDS_PATH", str(cache / "new"))
    assert line_of(ask(), "CRDS server").endswith("nothing can be fetched without it")


def test_a_server_that_says_nothing_is_not_waited_for(cache, monkeypatch):
    over = threading.Event()
    monkeypatch.setenv("CRDS_SERVER_URL", "https://somewhere")
    monkeypatch.setattr(checkup, "_PATIENCE", -0.4)
    monkeypatch.setattr(checkup, "_answer", lambda _address: over.wait(20) and "")
    assert "no answer within" in line_of(ask(), "CRDS server")
    over.set()


def test_what_is_missing_too_old_or_broken_is_wrong(cache, monkeypatch):
    there = checkup.version

    def version(name):
        if name == "click":
            raise PackageNotFoundError(name)
        return "0.1" if name == "rich" else there(name)

    monkeypatch.setattr(checkup, "version", version)
    monkeypatch.setattr(soundness, "broken", lambda: ["step 'x' of acme 1.0 cannot be loaded"])
    shown = ask()
    assert shown.exit_code == 1
    assert re.search(
        r"^WRONG  click is not installed: pip install 'click", shown.stdout, re.MULTILINE
    )
    assert re.search(
        r"^WRONG  rich 0.1; calcore needs rich>=\S+: pip install", shown.stdout, re.MULTILINE
    )
    assert "WRONG  step 'x' of acme 1.0 cannot be loaded" in shown.stdout


def test_little_room_is_told(cache, monkeypatch):
    monkeypatch.setattr(checkup, "_memory", lambda: (8 * 2**30, 2**29))
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _place: type("", (), {"free": 2**29}))
    shown = ask()
    assert shown.exit_code == 1
    assert line_of(shown, "memory: 0.5 GiB of 8.0 GiB are free; runs with fewer").startswith("note")
    assert line_of(shown, "disk: 0.5 GiB are free").startswith("WRONG")


def test_a_report_can_be_pasted_and_tells_no_secrets(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CRDS_SERVER_URL", "ftp://user:secret@place/x")
    shown = ask("--report")
    text = shown.stdout
    assert text.startswith("```text\n")
    assert text.endswith("```\n")
    assert "secret" not in text
    assert "CRDS_SERVER_URL = ftp://place/x" in text
    assert str(tmp_path) not in text
    assert "CRDS_PATH = ~/crds" in text
    assert re.search(r"^numpy \d", text, re.MULTILINE)
    assert re.search(r"^platform = ", text, re.MULTILINE)
    assert shown.exit_code == ("WRONG" in text)
