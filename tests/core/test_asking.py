"""References that those get who say where light falls."""

from typing import Any

import numpy as np
import pytest

from calcore.errors import KeywordMissing, PluginBroken, ReferenceInvalid, ReferenceMissing
from calcore.hooks import hookimpl
from calcore.model import Meta
from calcore.model.reference import Flat, Gain
from calcore.references.resolve import Choice
from calcore.registry.manager import manager
from calcore.registry.questions import References
from calcore.run.asking import Asked, named_file, opened

EXPOSURE = Meta({"instrument.msa_metadata_file": "shutters.fits"})


def gain() -> Gain:
    return Gain(meta=Meta({"filename": "gain.fits"}), data=np.ones((2, 3), np.float32))


def asked(find: Any, tmp_path: Any, **overrides: Any) -> Asked:
    return Asked(
        slot="cleaning", meta=EXPOSURE, find=find, overrides=overrides,
        alter=lambda kind, meta, reference: (reference, ("acme 1",)), beside=tmp_path, choices={},
    )  # fmt: skip


def test_a_mask_is_made_from_references_that_the_step_notes(tmp_path):
    class Plugin:
        @hookimpl
        def calcore_find_reference(self, type: str) -> Any:  # noqa: A002 - the hook's name
            return gain() if type == "gain" else "N/A"

        @hookimpl
        def calcore_mask(self, meta: Meta, references: Any) -> Any:
            del meta
            return references(Gain).data > 0

    plugins = manager()
    plugins.register(Plugin(), name="mine")
    find = References(plugins)
    with pytest.raises(ReferenceMissing, match="no gain reference here"):
        find("scenemask", EXPOSURE)
    asker = asked(find, tmp_path)
    mask, origin = find("scenemask", EXPOSURE, asker)
    assert (mask.data.shape, origin) == ((2, 3), "calcore_mask")
    assert asker.if_any(Flat) is None
    assert asker.choices["flat"].name == "N/A"
    choice = asker.choices["gain"]
    assert (choice.origin, choice.altered) == ("mine", ("acme 1",))
    assert choice.name == "gain.fits + acme 1"


def test_what_the_user_gives_goes_before_what_the_header_names(tmp_path):
    asker = asked(lambda kind, meta: None, tmp_path, gain=(gain(), "--ref"))
    assert asker(Gain, named="instrument.msa_metadata_file").data.shape == (2, 3)
    assert asker.choices["gain"].origin == "--ref"


def test_what_is_missing_is_told_in_a_sentence(tmp_path):
    with pytest.raises(
        ReferenceMissing, match="cleaning needs a gain reference to tell where light falls"
    ):
        asked(lambda kind, meta: ("N/A", "CRDS"), tmp_path)(Gain)
    with pytest.raises(ReferenceMissing, match=r"the file shutters\.fits that the header names"):
        asked(None, tmp_path)(Gain, named="instrument.msa_metadata_file")
    with pytest.raises(KeywordMissing, match="MSAMETFL"):
        named_file("cleaning", Meta({}), "instrument.msa_metadata_file", tmp_path)
    with pytest.raises(ReferenceInvalid, match="a flat reference is needed, and Gain was given"):
        opened(Choice(gain(), "--ref"), Flat, EXPOSURE)


def test_a_mask_that_fails_is_its_packages_fault(tmp_path):
    class Plugin:
        @hookimpl
        def calcore_mask(self, meta: Meta) -> Any:
            return np.ones((2, 2)) if meta is EXPOSURE else None

        @hookimpl(specname="calcore_mask")
        def another(self) -> Any:
            return np.ones((3, 2))

    plugins = manager()
    plugins.register(Plugin(), name="mine")
    with pytest.raises(PluginBroken, match="different shapes"):
        References(plugins)("scenemask", EXPOSURE, asked(None, tmp_path))
