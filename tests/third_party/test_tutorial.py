"""Every command of the tutorial in docs/plugins.md does what it says, in the order it is told."""

import re
import shlex

from calcore.cli.app import COMMANDS


def tutorial(root):
    """Return the commands, and the file that is written down."""
    page = (root / "docs" / "plugins.md").read_text()
    part = page[page.index("## From nothing to a released step") : page.index("## What a package")]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    (file,) = (block for language, block in blocks if language == "python")
    commands = [line for language, block in blocks if not language for line in block.splitlines()]
    return commands, file


def test_the_tutorial_can_be_followed(clean, installed, root, tmp_path):
    commands, file = tutorial(root)
    (tmp_path / "tries.py").write_text(file)
    site, folder, place, variables = tmp_path / "site", tmp_path, clean, {}
    said = {}
    for command in commands:
        words = shlex.split(command)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            variables[name] = value.replace("$PWD", str(folder))
        elif words[0] == "cd":
            folder = (folder / words[1]).resolve()
        elif words[:2] == ["pip", "install"]:
            installed(site, folder)
            place = clean.with_folder(site)
        elif words[:2] == ["pip", "wheel"]:
            options = ("--no-deps", "--no-build-isolation")
            done = place.python("-m", "pip", "wheel", "-q", *options, *words[2:], cwd=folder)
            assert done.returncode == 0, done.stderr
        elif words[0] == "pytest":
            options = ("-p", "no:cacheprovider")
            done = place.python("-m", "pytest", *options, cwd=folder, **variables)
            assert done.returncode == 0, done.stdout
        else:
            assert words[0] == "calcore"
            assert words[1] in COMMANDS
            words = [str(p) for word in words[1:] for p in globbed(folder, word)]
            done = place.calcore(*words, cwd=folder, **variables)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            said[command] = done.stdout
    assert len(list((tmp_path / "tried").glob("*_rate.fits"))) == 2
    assert "spike_finder.spikes of spike-finder 0.1.0" in "".join(said.values())
    assert "all is good" in said["calcore plugins check spike-finder"]
    assert len(list(tmp_path.glob("spike-finder/dist/*.whl"))) == 1


def globbed(folder, word):
    """Return what a shell makes of a word."""
    return sorted(folder.glob(word)) if "*" in word else [word]
