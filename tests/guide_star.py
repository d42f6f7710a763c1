"""Raw guide-star exposures and references for them."""

import numpy as np

from calcore import io
from calcore.model import Meta
from calcore_fgs import INSTRUMENT
from calcore_fgs.guide_star import Flat, Gain, GuideRamp, Mask, ReadNoise

# Shapes as the modes have them, the two big ones cut down.
SHAPES = {
    "FGS_ID-STACK": (2, 2, 72, 64),
    "FGS_ID-IMAGE": (2, 2, 56, 64),
    "FGS_ACQ1": (6, 2, 24, 24),
    "FGS_ACQ2": (5, 2, 32, 32),
    "FGS_TRACK": (7, 2, 32, 32),
    "FGS_FINEGUIDE": (5, 8, 8, 8),
}
NAMES = {
    "FGS_ID-STACK": "gs-id_1_stacked",
    "FGS_ID-IMAGE": "gs-id_1_image",
    "FGS_ACQ1": "gs-acq1_2026001000000",
    "FGS_ACQ2": "gs-acq2_2026001000000",
    "FGS_TRACK": "gs-track_2026001000000",
    "FGS_FINEGUIDE": "gs-fg_2026001000000",
}
FRAME = 64
TIME = 0.4


def meta(exposure_type, shape, start=(5, 3), **more):
    """Return metadata of an exposure whose first row and column are `start`, from 1."""
    top, left = (1, 1) if "ID" in exposure_type else start
    values = {
        "model_type": "GuiderRawModel", "telescope": "JWST", "instrument.name": "FGS",
        "instrument.detector": "GUIDER1", "exposure.type": exposure_type,
        "exposure.nints": shape[0], "exposure.ngroups": shape[1], "exposure.group_time": TIME,
        "subarray.name": "FULL", "subarray.xstart": left, "subarray.ystart": top,
        "subarray.xsize": shape[3], "subarray.ysize": shape[2], "subarray.fastaxis": -2,
        "subarray.slowaxis": -1, "observation.date": "2026-01-01",
        "observation.time": "00:00:00.000",
        **{name.replace("__", "."): value for name, value in more.items()},
    }  # fmt: skip
    made = Meta(values)
    return made.with_facts(INSTRUMENT.facts(made))


COLUMNS = {
    "planned_stars": "guide_star_order:i4 reference_order:i4 reference_star_id:U12 ra:f8 dec:f8 "
    "id_x:f8 id_y:f8 fgs_mag:f8 fgs_mag_uncert:f8 count_rate:f8 count_rate_uncert:f8",
    "flight_stars": "reference_star_id:U2 id_x:f8 id_y:f8 count_rate:f8",
    "pointing": "time:f8 jitter:f8 delta_ddc_ra:f8 delta_ddc_dec:f8 delta_aperture_pa:f8 "
    "delta_v1_ra:f8 delta_v1_dec:f8 delta_v3_pa:f8 delta_j1_ra:f8 delta_j1_dec:f8 delta_j3_pa:f8 "
    "HGA_motion:U16",
    "centroids": "observatory_time:U23 centroid_time:U23 guide_star_position_x:f8 "
    "guide_star_position_y:f8 guide_star_instrument_counts_per_sec:f8 "
    "signal_to_noise_current_frame:f8 delta_signal:f8 delta_noise:f8 psf_width_x:i4 psf_width_y:i4 "
    "data_quality:i4 bad_pixel_flag:U4 bad_centroid_dq_flag:U12 cosmic_ray_hit_flag:U5 "
    "sw_subwindow_loc_change_flag:U5 guide_star_at_detector_subwindow_boundary_flag:U5 "
    "subwindow_out_of_FOV_flag:U5",
    "track_subarrays": "observatory_time:U23 x_corner:f8 y_corner:f8 x_size:i4 y_size:i4",
}


def tables(rng):
    """Return a table of each kind with three rows."""
    made = {}
    for name, columns in COLUMNS.items():
        kinds = [tuple(column.split(":")) for column in columns.split()]
        made[name] = np.zeros(3, kinds)
        for column, kind in kinds:
            letters = [f"{row}{column}"[: int(kind[1:])] for row in range(3)]
            numbers = rng.integers(0, 100, 3) if kind == "i4" else rng.normal(0, 60, 3)
            made[name][column] = letters if kind[0] == "U" else numbers
    return made


def ramp(exposure_type, seed=1, shape=None, **more):
    """Return raw reads of a field of many stars."""
    rng = np.random.default_rng(seed)
    shape = shape or SHAPES[exposure_type]
    bias = rng.normal(1000, 20, (1, 1, *shape[2:]))
    steps = np.arange(shape[1])[:, None, None] * rng.gamma(2, 50, shape[2:])
    data = bias + steps + rng.normal(0, 15, shape)
    return GuideRamp(
        meta=meta(exposure_type, shape, **more),
        data=np.round(data).astype(np.float32),
        dq=np.zeros(shape[2:], np.uint32),
        **tables(rng),
    )


def references(rng, size=FRAME):
    """Return references for a whole detector, small as it is."""
    where = Meta({"subarray.xstart": 1, "subarray.ystart": 1, "instrument.name": "FGS",
                  "subarray.xsize": size, "subarray.ysize": size, "subarray.name": "FULL",
                  "instrument.detector": "GUIDER1", "subarray.fastaxis": -2,
                  "subarray.slowaxis": -1})  # fmt: skip
    shape = size, size
    bad = (rng.random(shape) < 0.1).astype(np.uint32)
    dead = (rng.random(shape) < 0.1).astype(np.uint32)
    unknown = (rng.random(shape) < 0.1).astype(np.uint32)
    flat = rng.uniform(0.8, 1.2, shape).astype(np.float32)
    flat[::9, ::7] = np.nan
    flat[::8, ::5] = 0
    return {
        "mask": Mask(meta=where, dq=bad + dead * np.uint32(1024)),
        "gain": Gain(meta=where, data=rng.uniform(1.5, 2, shape).astype(np.float32)),
        "readnoise": ReadNoise(meta=where, data=rng.uniform(10, 20, shape).astype(np.float32)),
        "flat": Flat(
            meta=where, data=flat, err=rng.uniform(0.01, 0.02, shape).astype(np.float32),
            dq=unknown * np.uint32(1 << 18),
        ),
    }  # fmt: skip


def write(folder, flows, given):
    """Write raw exposures and references; return paths of both, by exposure type and kind."""
    raw = {
        flow.meta.exposure_type: io.write(
            flow, folder / f"jw01234001001_{NAMES[flow.meta.exposure_type]}_uncal.fits"
        )
        for flow in flows
    }
    return raw, {kind: io.write(item, folder / f"{kind}.fits") for kind, item in given.items()}
