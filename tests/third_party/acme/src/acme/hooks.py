"""What happens when a user says ``--with acme``."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acme.level import Steady
from calcore.hooks import hookimpl
from calcore.model import Meta

SEEN: list[dict[str, Any]] = []


@hookimpl
def calcore_edit_pipeline(pipeline: str, meta: Meta) -> Mapping[str, Any] | None:
    """Put our jump step in the place of core's, and our other steps where they belong."""
    if pipeline == "detector1":
        edits = [
            {"replace": "jump", "use": "acme.jump"},
            {"insert": "afterglow", "use": "acme.afterglow", "before": "ramp_fit"},
        ]
        if meta.exposure_type == "MIR_IMAGE":
            edits.append({"insert": "level", "use": "acme.level", "after": "dark_current"})
        return {"edit": edits}
    if pipeline == "image3":
        return {"edit": [{"insert": "trails", "use": "acme.trails", "before": "skymatch"}]}
    return None


@hookimpl
def calcore_fetch(address: str, folder: Path) -> Path | None:
    """Bring exposures of our store."""
    if not address.startswith("acme://"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    name = address.removeprefix("acme://")
    return Path(shutil.copy(Path(os.environ["ACME_STORE"], name), folder))


@hookimpl
def calcore_find_reference(type: str, meta: Meta) -> Any:  # noqa: A002 - calcore's name
    """Look into a folder of our own; make what is not there."""
    own = Path(os.environ.get("ACME_REFERENCES", ""), f"{type}.fits")
    if os.environ.get("ACME_REFERENCES") and own.is_file():
        return own
    if type == Steady.type:
        shape = meta.whole("subarray.ysize"), meta.whole("subarray.xsize")
        return Steady(meta=Meta({"filename": "made by acme"}), data=np.ones(shape, np.float32))
    return None


@hookimpl
def calcore_alter_reference(type: str, reference: Any) -> Any:  # noqa: A002 - calcore's name
    """Trust the read noise a little less."""
    if type != "readnoise":
        return None
    return reference.replace(data=reference.loaded().data * np.float32(1.25))


@hookimpl
def calcore_mask(meta: Meta) -> Any:
    """Say where the ghost of the mirror is: the lower left quarter."""
    mask = np.zeros((meta.whole("subarray.ysize"), meta.whole("subarray.xsize")), bool)
    mask[: mask.shape[0] // 2, : mask.shape[1] // 2] = True
    return mask


@hookimpl
def calcore_diagnose(suffix: str, record: Any, path: Path) -> Sequence[Any] | None:
    """Judge rates by how many pixels are left, and draw a little table beside the product."""
    if suffix != "rate":
        return None
    lost = float(np.isnan(record.data).mean())
    path.with_name(path.name.replace("_rate.fits", "_acme.txt")).write_text(f"{lost:.3f} lost\n")
    return [
        ("share of pixels lost", lost, None, 0.5),
        ("median rate", float(np.nanmedian(record.data)), 1e6, None),
    ]


@hookimpl
def calcore_watch(pipeline: str) -> Sequence[str] | None:
    """Ask for the frames that go into our jump step and come out of it."""
    return ["refpix", "level", "jump"] if pipeline == "detector1" else None


@hookimpl
def calcore_before_step(slot: str, product: str) -> None:
    """Note that a step has begun."""
    SEEN.append({"event": "before", "slot": slot, "product": product})


@hookimpl
def calcore_after_step(slot: str, product: str, record: Any, seconds: float) -> None:
    """Note that a step has ended, how long it took, and what came out."""
    shape = None if record is None else list(record.data.shape)
    seen = {"event": "after", "slot": slot, "product": product, "seconds": seconds, "shape": shape}
    SEEN.append(seen)


@hookimpl
def calcore_step_failed(slot: str, product: str, error: BaseException) -> None:
    """Note that a step has failed."""
    SEEN.append({"event": "failed", "slot": slot, "product": product, "error": str(error)})


@hookimpl
def calcore_run_finished(result: Any) -> None:
    """Write what was seen, if somebody wants it, and put products into our store, if there is one."""
    if "ACME_REPORT" in os.environ:
        Path(os.environ["ACME_REPORT"]).write_text(json.dumps(SEEN))
    if "ACME_STORE" in os.environ:
        for product in result.products:
            for path in product.files:
                shutil.copy(path, os.environ["ACME_STORE"])
