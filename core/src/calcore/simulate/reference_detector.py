"""Reference files of the detector: noisy measurements of its true properties.

Each function makes one type. A superbias, a dark and a reset correction are averages of a finite
number of simulated darks; their noise has the size that such an average has.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.simulate.coupling import couple
from calcore.simulate.detector_maps import switched
from calcore.simulate.interleaved_weights import interleaved_weights
from calcore.simulate.nonlinearity import coefficients
from calcore.simulate.readout import read_order
from calcore.simulate.reference_io import Setup, keywords, numbered, write_asdf, write_fits
from calcore.simulate.side_weights import side_weights

Float32 = NDArray[np.float32]

DARK_BYTES = 600e6
"""Largest dark that is made frame by frame; a longer one has the exposure's own groups."""
IN_PHASE = 1e-3
"""Waves whose phase moves by less than this part of a cycle from frame to frame need no correction."""
BAD_LIST = (DQ.DO_NOT_USE, DQ.DEAD, DQ.HOT, DQ.WARM, DQ.LOW_QE, DQ.RC)


def mask(setup: Setup, path: Path) -> None:
    """Write the list of bad pixels and of reference pixels."""
    flags = setup.maps.dq[setup.window]
    if setup.interleaved is not None:
        flags = setup.interleaved.flags(flags)
    # The order differs from the products' on purpose: readers must go by the names.
    names = (*BAD_LIST, DQ.BAD_REF_PIXEL, DQ.REFERENCE_PIXEL)
    header = keywords(setup, "mask", "MaskModel", path.name)
    write_fits(path, header, {}, flags=numbered(flags, names))


def saturation(setup: Setup, path: Path) -> None:
    """Write the raw numbers from which on pixels are saturated [DN]."""
    maps, pixels = setup.maps.cut(setup.window), setup.physics.pixels
    # A full pixel among empty ones shows this part of its signal; its neighbours have the rest.
    held = 1 - 4 * pixels.coupling - 4 * pixels.coupling_diagonal
    margin = 1 - setup.quality.saturation
    bias = switched(maps, setup.physics, setup.effects).bias
    level = bias + held * margin * maps.full_scale
    level = np.minimum(level, setup.physics.electronics.adc_top_dn * margin)
    flags = np.where(maps.active, 0, DQ.NO_SAT_CHECK).astype(np.uint32)
    level[~maps.active] = setup.physics.electronics.adc_top_dn
    header = keywords(setup, "saturation", "SaturationModel", path.name)
    planes = {"SCI": level.astype(np.float32)}
    write_fits(path, header, planes, flags=numbered(flags, (DQ.NO_SAT_CHECK, DQ.DO_NOT_USE)))


def superbias(setup: Setup, path: Path) -> None:
    """Write the mean of many first reads [DN]."""
    maps, pixels = setup.maps.cut(setup.window), setup.physics.pixels
    truth = switched(maps, setup.physics, setup.effects)
    reset = pixels.reset_noise_electron / maps.gain * maps.active
    noise = np.hypot(maps.read_noise, reset) / np.sqrt(setup.quality.frames)
    level = truth.bias + noise * setup.error("superbias")
    flags = np.where(maps.dq & np.uint32(DQ.RC) != 0, DQ.UNRELIABLE_BIAS, 0).astype(np.uint32)
    level, noise = level.astype(np.float32), noise.astype(np.float32)
    frame = setup.interleaved
    if frame is not None:
        others = frame.read_noise_dn / np.sqrt(setup.quality.frames)
        random = setup.random("superbias", "interleaved")
        error = random.standard_normal(frame.bias.shape, dtype=np.float32)
        error *= np.float32(others if setup.effects.reference_errors else 0)
        level, noise = frame.around(level, frame.bias + error), frame.around(noise, others)
        flags = frame.flags(flags) & ~np.uint32(DQ.REFERENCE_PIXEL)
    header = keywords(setup, "superbias", "SuperBiasModel", path.name)
    planes = {"SCI": level, "ERR": noise}
    write_fits(path, header, planes, flags=numbered(flags, (DQ.DO_NOT_USE, DQ.UNRELIABLE_BIAS)))


def linearity(setup: Setup, path: Path) -> None:
    """Write the polynomials that linearise [DN to DN]."""
    maps, pixels = setup.maps.cut(setup.window), setup.physics.pixels
    truth = switched(maps, setup.physics, setup.effects)
    total = sum(pixels.nonlinearity)
    share = setup.quality.linearity / total if total else 0.0
    terms = truth.terms * (1 + np.float32(share) * setup.error("linearity"))
    origin = truth.bias if setup.table.get("includes_bias", False) else None
    coeffs = coefficients(terms.astype(np.float32), pixels.full_scale_dn, origin)
    flags = np.zeros(maps.shape, np.uint32)
    dead = maps.dq & np.uint32(DQ.DEAD) != 0
    flags[dead] |= np.uint32(DQ.NO_LIN_CORR)
    # Reference pixels have no well; they are left as they are.
    left = ~maps.active
    coeffs[:, left] = 0
    coeffs[1, left] = 1
    coeffs[:, dead] = np.nan
    header = keywords(setup, "linearity", "LinearityModel", path.name)
    names = (DQ.NONLINEAR, DQ.NO_LIN_CORR, DQ.DO_NOT_USE)
    planes = {"COEFFS": coeffs.astype(np.float32)}
    write_fits(path, header, planes, flags=numbered(flags, names))


def dark(setup: Setup, path: Path) -> None:
    """Write the mean dark signal after each group [DN], (group, y, x) or (integration, ...).

    A dark is made frame by frame, as CRDS has them, if it is not too large; otherwise with the
    exposure's own pattern of groups.
    """
    maps, plan = setup.maps.cut(setup.window), setup.plan
    truth = switched(maps, setup.physics, setup.effects)
    rate = couple_if(setup, truth.dark / truth.gain, maps.active)
    frames, skip, groups = plan.pattern.frames, plan.pattern.skip, plan.n_groups
    integrations = int(setup.table.get("integrations", 0))
    planes = max(1, integrations)
    single = (groups * (frames + skip), 1, 0)
    if single[0] * rate.nbytes * planes <= DARK_BYTES:
        groups, frames, skip = single
    noise = np.hypot(
        maps.read_noise, np.sqrt(truth.dark * plan.frame_time_s) / maps.gain
    ) / np.sqrt(setup.quality.frames * frames)
    cube = np.empty((planes, groups, *maps.shape), np.float32)
    for integration in range(planes):
        for group in range(groups):
            seconds = (group * (frames + skip) + (frames + 1) / 2) * plan.frame_time_s
            error = setup.error("dark", str(integration), str(group))
            cube[integration, group] = rate * np.float32(seconds) + noise * error
    cube *= maps.active
    header = keywords(setup, "dark", "DarkMIRIModel" if integrations else "DarkModel", path.name)
    header.update(
        READPATT=plan.pattern.name,
        NINTS=planes,
        NGROUPS=groups,
        NFRAMES=frames,
        GROUPGAP=skip,
        TFRAME=plan.frame_time_s,
        TGROUP=(frames + skip) * plan.frame_time_s,
        NOUTPUTS=setup.outputs,
        EXP_TYPE=setup.exposure_type,
    )
    flags = np.zeros(maps.shape, np.uint32)
    flags[maps.dq & np.uint32(DQ.HOT) != 0] |= np.uint32(DQ.HOT)
    flags[maps.dq & np.uint32(DQ.WARM) != 0] |= np.uint32(DQ.WARM)
    flags[maps.dq & np.uint32(DQ.RC) != 0] |= np.uint32(DQ.UNRELIABLE_DARK)
    names = (DQ.DO_NOT_USE, DQ.HOT, DQ.WARM, DQ.UNRELIABLE_DARK)
    if integrations:
        flags = np.tile(flags, (integrations, 1, 1, 1))
    data = cube if integrations else cube[0]
    write_fits(path, header, {"SCI": data}, flags=numbered(flags, names))


def couple_if(setup: Setup, values: NDArray[np.floating], active: NDArray[np.bool_]) -> Float32:
    """Return values as neighbours share them, where that is switched on."""
    plain = values.astype(np.float32)
    pixels = setup.physics.pixels
    if not setup.effects.coupling:
        return plain
    return couple(plain, active, pixels.coupling, pixels.coupling_diagonal)


def reset(setup: Setup, path: Path) -> None:
    """Write the decay after a reset [DN], (integration, group, y, x)."""
    settling, plan = setup.physics.settling, setup.plan
    if settling is None:
        raise ValueError(f"{setup.detector.name} has no settling to write")
    maps = setup.maps.cut(setup.window)
    truth = switched(maps, setup.physics, setup.effects)
    groups = max(1, int(np.ceil(8 * settling.reset_frames)))
    groups = min(groups, max(plan.n_groups - 1, 1))
    noise = maps.read_noise / np.sqrt(setup.quality.frames)
    cycle = plan.pattern.frames + plan.pattern.skip
    cube = np.empty((2, groups, *maps.shape), np.float32)
    for integration, factor in enumerate((1.0, settling.later_reset_factor)):
        for group in range(groups):
            frames = group * cycle + np.arange(plan.pattern.frames)
            decay = factor * np.exp(-frames / settling.reset_frames).mean()
            error = setup.error("reset", str(integration), str(group))
            cube[integration, group] = truth.reset * np.float32(decay) + noise * error
    cube *= maps.active
    header = keywords(setup, "reset", "ResetModel", path.name)
    header.update(READPATT=plan.pattern.name, NGROUPS=groups, NINTS=2, NFRAMES=plan.pattern.frames)
    flags = np.zeros(maps.shape, np.uint32)
    write_fits(
        path, header, {"SCI": cube}, flags=numbered(flags, (DQ.DO_NOT_USE, DQ.OTHER_BAD_PIXEL))
    )


def rscd(setup: Setup, path: Path) -> None:
    """Write how many groups to leave out at the start of integrations."""
    kinds = [("subarray", "S17"), ("readpatt", "S12"), ("group_skip1", "i4"), ("group_skip", "i4")]
    first, later = int(setup.table["first"]), int(setup.table["later"])
    rows = [
        (name.encode(), pattern.encode(), first, later)
        for name in setup.detector.subarrays
        for pattern in setup.table["patterns"]
    ]
    header = keywords(setup, "rscd", "RSCDModel", path.name)
    write_fits(path, header, {}, tables={"RSCD_GROUP_SKIP": np.array(rows, dtype=kinds)})


def gain(setup: Setup, path: Path) -> None:
    """Write electrons per DN."""
    maps = setup.maps.cut(setup.window)
    truth = switched(maps, setup.physics, setup.effects)
    values = truth.gain * (1 + np.float32(setup.quality.gain) * setup.error("gain"))
    header = keywords(setup, "gain", "GainModel", path.name)
    if setup.gain_factor != 1:
        header["GAINFACT"] = setup.gain_factor
    write_fits(path, header, {"SCI": values.astype(np.float32)})


def read_noise(setup: Setup, path: Path) -> None:
    """Write the noise of the difference of two reads [DN]."""
    maps = setup.maps.cut(setup.window)
    values = np.sqrt(2) * maps.read_noise
    values = values * (1 + np.float32(setup.quality.read_noise) * setup.error("read noise"))
    header = keywords(setup, "readnoise", "ReadnoiseModel", path.name)
    header["READPATT"] = setup.plan.pattern.name
    write_fits(path, header, {"SCI": values.astype(np.float32)})


def ipc(setup: Setup, path: Path) -> None:
    """Write the kernel that undoes the coupling of neighbours."""
    pixels = setup.physics.pixels
    side, diagonal = (
        (pixels.coupling, pixels.coupling_diagonal) if setup.effects.coupling else (0, 0)
    )
    spread = np.full((3, 3), diagonal)
    spread[1, :] = spread[:, 1] = side
    spread[1, 1] = 1 - 4 * side - 4 * diagonal
    # The kernel is inverted on a periodic patch far larger than its reach, and cut to 3 x 3; what
    # is cut off is of the order of the coupling squared and goes to the centre.
    patch = np.zeros((33, 33))
    patch[15:18, 15:18] = spread
    inverse = np.fft.ifft2(1 / np.fft.fft2(np.fft.ifftshift(patch))).real
    kernel = np.fft.fftshift(inverse)[15:18, 15:18]
    kernel[1, 1] += 1 - kernel.sum()
    header = keywords(setup, "ipc", "IPCModel", path.name)
    write_fits(path, header, {"SCI": kernel.astype(np.float32)})


def emicorr(setup: Setup, path: Path) -> None:
    """Write the waveforms of periodic pick-up, and the clocks of each sub-array."""
    phase = 2 * np.pi * (np.arange(500) + 0.5) / 500
    frequencies: dict[str, Any] = {}
    for wave in setup.physics.interference:
        shape = wave.amplitude_dn * (np.sin(phase) + wave.second_harmonic * np.sin(2 * phase))
        frequencies[wave.name] = {"frequency": wave.frequency_hz, "phase_amplitudes": shape}
    cases: dict[str, Any] = {}
    for name, clocks in setup.table["clocks"].items():
        # A wave that fits a whole number of times into a frame only adds to the bias.
        names = [
            wave.name
            for wave in setup.physics.interference
            if abs(math.remainder(wave.frequency_hz * clocks.frame_time_s, 1)) > IN_PHASE
        ]
        cases[name] = {
            "rowclocks": clocks.row_clocks,
            "frameclocks": clocks.frame_clocks,
            "freqs": {
                "FAST": names,
                "SLOW": {key: list(names) for key in setup.table["detectors"]},
            },
        }
    tree = {"frequencies": frequencies, "subarray_cases": cases}
    write_asdf(path, setup, "emicorr", "EmiModel", tree)


def sirskernel(setup: Setup, path: Path) -> None:
    """Write the weights of side reference pixels that leave least 1/f noise in full frames."""
    electronics, clocks = setup.physics.electronics, setup.table["full_clocks"]
    if not setup.effects.pink_noise:
        electronics = replace(electronics, pink_common_dn=0.0, pink_amplifier_dn=0.0)
    order = read_order(clocks, setup.detector, setup.detector.full)
    gamma, zeta = side_weights(electronics, order, clocks.row_samples)
    tree = {setup.detector.name.lower(): {"gamma": gamma, "zeta": zeta}}
    write_asdf(path, setup, "sirskernel", "SIRSKernelModel", tree)


def refpix(setup: Setup, path: Path) -> None:
    """Write the weights that leave least 1/f noise where reference pixels are read between others."""
    clocks, detector = setup.plan.clocking, setup.detector
    if clocks.jumps is None:
        raise ValueError(f"{setup.plan.pattern.name} reads no reference pixels between the others")
    electronics = setup.physics.electronics
    if not setup.effects.pink_noise:
        electronics = replace(electronics, pink_common_dn=0.0, pink_amplifier_dn=0.0)
    lines, fast = detector.nx, detector.ny
    if abs(detector.fast_axis) == 1:
        lines, fast = fast, lines
    alpha, beta = interleaved_weights(electronics, clocks.jumps, lines, fast // clocks.outputs)
    names = [f"{name}_{k}" for name in ("alpha", "beta") for k in range(clocks.outputs)]
    table = np.zeros(2 * len(alpha), [(name, "f4") for name in names])
    for k in range(clocks.outputs):
        table[f"alpha_{k}"][::2], table[f"beta_{k}"][::2] = alpha, beta
    good = np.array(
        [(k + 1, pair, 0) for k in range(clocks.outputs) for pair in (1, 2)],
        [("OUTPUT", "i2"), ("ODD_EVEN", "i2"), ("MASK", "u4")],
    )
    header = keywords(setup, "refpix", "IRS2Model", path.name)
    write_fits(path, header, {}, tables={"IRS2": table, "DQ": good})


def parameters(setup: Setup, path: Path) -> None:
    """Write parameters of the reference pipeline, as operations set them."""
    table = setup.table
    tree = {
        "class": table["class"],
        "name": table["class"].rpartition(".")[2],
        "parameters": dict(table.get("parameters", {})),
        "steps": [dict(step) for step in table.get("steps", ())],
    }
    write_asdf(path, setup, table["type"], "StepParsModel", tree)


MAKERS: Mapping[str, Callable[[Setup, Path], None]] = {
    "mask": mask,
    "saturation": saturation,
    "superbias": superbias,
    "linearity": linearity,
    "dark": dark,
    "reset": reset,
    "rscd": rscd,
    "gain": gain,
    "readnoise": read_noise,
    "ipc": ipc,
    "emicorr": emicorr,
    "sirskernel": sirskernel,
    "refpix": refpix,
    "parameters": parameters,
}
