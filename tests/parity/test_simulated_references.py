"""The reference pipeline reads the references that simulated spectrographs bring."""

import json

import pytest

# Run by the reference pipeline's interpreter: open references by the model that each names.
READER = """
import json, sys, warnings
import asdf
from astropy.io import fits
from stdatamodels.jwst import datamodels

warnings.simplefilter("error")
said = {}
for path in json.loads(open(sys.argv[1]).read()):
    if path.endswith(".asdf"):
        with asdf.open(path) as file:
            name = file["meta"]["model_type"]
    else:
        name = fits.getheader(path)["DATAMODL"]
    with getattr(datamodels, name)(path) as model:
        model.validate()
        held = model.to_flat_dict(include_arrays=True)
        strange = [key for key in held if key.startswith("extra_fits.") and ".data" in key]
        said[path.split("/")[-1].split("_")[2]] = [name, sorted(key for key in held if key[:5] != "meta."), strange]
open(sys.argv[2], "w").write(json.dumps(said))
"""
MODELS = {
    "mrs": {
        "apcorr": "MirMrsApcorrModel", "cubepar": "MiriIFUCubeParsModel",
        "distortion": "DistortionMRSModel", "extract1d": "Extract1dIFUModel",
        "fringe": "FringeModel", "fringefreq": "FringeFreqModel", "mrsptcorr": "MirMrsPtCorrModel",
        "mrsxartcorr": "MirMrsXArtCorrModel", "photom": "MirMrsPhotomModel",
        "regions": "RegionsModel", "specwcs": "SpecwcsModel",
        "wavelengthrange": "WavelengthrangeModel",
    },
    "lrs_fixedslit": {
        "apcorr": "MirLrsApcorrModel", "pathloss": "MirLrsPathlossModel",
        "photom": "MirLrsPhotomModel", "psf": "SpecPsfModel", "specwcs": "MiriLRSSpecwcsModel",
    },
    "lrs_slitless": {
        "apcorr": "MirLrsApcorrModel", "photom": "MirLrsPhotomModel", "psf": "SpecPsfModel",
        "specwcs": "MiriLRSSpecwcsModel",
    },
}  # fmt: skip


@pytest.mark.parametrize("mode", MODELS)
def test_references_are_read(reference_pipeline, request, tmp_path, mode):
    reference_pipeline.require()
    visit = request.getfixturevalue(f"{mode}_visit")
    folder = visit.folder / "crds_cache" / "references" / "jwst" / "miri"
    kinds = [path for path in sorted(folder.iterdir()) if path.name.split("_")[2] in MODELS[mode]]
    paths = [str(path) for path in kinds]
    program, asked, told = (tmp_path / name for name in ("reader.py", "paths.json", "said.json"))
    program.write_text(READER)
    asked.write_text(json.dumps(paths))
    log = tmp_path / "reader.log"
    assert reference_pipeline.program(program, asked, told, log=log) == 0, log.read_text()
    said = json.loads(told.read_text())
    assert {kind: said[kind][0] for kind in MODELS[mode]} == MODELS[mode]
    # No plane or table is left over that the model does not know.
    assert {kind: strange for kind, (_, _, strange) in said.items() if strange} == {}
    if mode == "mrs":
        assert {"timecoeff_powerlaw_ch1", "pixsiz"} <= {
            key.split(".")[0] for key in said["photom"][1]
        }
        assert any(key.startswith("ifucubepars_multichannel_driz") for key in said["cubepar"][1])
