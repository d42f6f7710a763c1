"""A manifest that was damaged is told in a sentence that names the key, whoever reads it."""

import copy
import json
import math

import pytest
from click.testing import CliRunner

from calcore.cli.app import commands
from calcore.errors import CalcoreError, ManifestInvalid
from calcore.report.account import gather
from calcore.report.compare import compare
from calcore.report.page import render
from calcore.run import manifest
from calcore.run.form import amiss
from calcore.run.replay import replayed
from calcore.run.request import Request

WRONG = (None, True, -3, 2.5, math.nan, 10**400, "x", "\0", [], [None], {}, {"x": None})


def whole():
    """A manifest that has every key that one can have."""
    step = {
        "name": "jump", "use": "jump", "source": "calcore 0.1.0", "skipped": "",
        "settings": {"rejection_threshold": {"value": 9.0, "origin": "the command line"}},
        "references": {"gain": {"name": "g.fits", "origin": "CRDS", "path": None, "content": "a"}},
        "cites": ["a paper"], "state": {"name": "s.asdf", "content": "b"}, "status": "complete",
        "seconds": 1.5, "reason": "", "flagged": {"samples": {"JUMP_DET": 12}},
    }  # fmt: skip
    product = {
        "name": "jw01_det", "pipeline": "image3", "status": "complete", "reason": "", "why": "",
        "seconds": 2.5, "files": ["/nowhere/jw01_det_rate.fits"], "profile": "default",
        "figures": [{"name": "noise", "value": "nan", "low": None, "high": 3.0}],
        "inputs": {"science": [{"name": "a_uncal.fits", "path": "/a_uncal.fits", "content": "c"}]},
        "steps": [step], "context": "jwst_1.pmap", "config": "x = 1",
        "chains": [{"steps": ["jump"], "seconds": 1.0, "peak_memory": None}],
        "warnings": [{"message": "hot", "source": "calcore", "step": "jump"}],
        "association": {
            "name": "a_asn.json", "product": "p", "type": "image3", "identity": "a1",
            "pool": "pool", "members": [{"name": "b.fits", "role": "science"}],
        },
    }  # fmt: skip
    return {
        "calcore_manifest": 1, "begun": "2026-01-01T00:00:00+00:00", "command": ["calcore", "run"],
        "step": None, "request": manifest.asked(Request(settings={"jump.skip": True})),
        "machine": {"python": "3.11", "implementation": "CPython", "platform": "x", "cores": 2},
        "status": "done", "seconds": 3.0, "packages": {"calcore": "0.1.0"}, "waiting": ["c"],
        "crds": {"contexts": ["jwst_1.pmap"], "environment": {}}, "products": [product],
    }  # fmt: skip


def places(tree, above=()):
    """Yield the way to every entry of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items if isinstance(tree, dict | list) else ():
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def damaged():
    """Yield manifests of which one entry is gone, or something else."""
    for place in places(whole()):
        for value in (KeyError, *WRONG):
            content = whole()
            parent = content
            for key in place[:-1]:
                parent = parent[key]
            if value is KeyError:
                del parent[place[-1]]
            else:
                parent[place[-1]] = copy.deepcopy(value)
            yield place, value, content


def written(folder, content):
    path = folder / "m.json"
    path.write_text(json.dumps(content))
    return path


def test_a_whole_manifest_has_nothing_amiss():
    assert amiss(json.loads(json.dumps(whole()))) is None


def test_whatever_is_damaged_nobody_stumbles(tmp_path):
    """Each entry gone or changed: a sentence, or a report as if nothing were."""
    told = 0
    for place, value, content in damaged():
        path = written(tmp_path, content)
        try:
            run = gather([path])
            if value != "x":  # any text can be shown, and a page takes a while
                render(run, {})
            compare(path, path)
            with replayed(path, (tmp_path,), {"output": tmp_path}):
                pass
        except ManifestInvalid:
            told += 1
        except CalcoreError:
            continue
        except Exception as error:
            raise AssertionError(f"{place} = {value!r}") from error
    assert told > 500


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("request"), "request is missing"),
        (lambda m: m["request"].update(stage="9"), "request.stage must be one of 1, 2, 3, all"),
        (lambda m: m.update(machine=[]), r"machine must be a table of keys, not \[\]"),
        (lambda m: m.update(packages=3), "packages must be a table of names, not 3"),
        (lambda m: m.update(crds={"contexts": "x"}), 'crds.contexts must be a list, not "x"'),
        (lambda m: m.pop("step"), "used: step is missing"),
        (lambda m: m["products"][0].update(inputs=None), r"products\[0\].inputs must be a table"),
        (lambda m: m["products"][0].update(steps=None), r"products\[0\].steps must be a list"),
        (
            lambda m: m["products"][0]["inputs"]["science"][0].pop("content"),
            r"products\[0\].inputs.science\[0\].content is missing",
        ),
        (
            lambda m: m["products"][0]["association"].update(name="../a.json"),
            r'association.name must be the name of a file, not "../a.json"',
        ),
        (lambda m: m.update(calcore_manifest=True), "it is of form true, not 1"),
    ],
)
def test_the_sentence_names_the_key(tmp_path, change, words):
    content = whole()
    change(content)
    path = written(tmp_path, content)
    with pytest.raises(ManifestInvalid, match=words) as told:
        manifest.read(path)
    for command in (["report"], ["info"], ["run", "--replay"]):
        shown = CliRunner().invoke(commands, [*command, str(path)])
        assert (shown.exit_code, shown.stderr) == (1, f"calcore: {told.value}\n")
    shown = CliRunner().invoke(commands, ["diff", str(path), str(path)])
    assert (shown.exit_code, shown.stderr) == (2, f"calcore: {told.value}\n")
