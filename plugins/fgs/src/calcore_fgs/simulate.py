"""The fine guidance sensors for the simulator: their tables say all."""

from calcore.simulate.instrument_tables import SimulatedInstrument

SIMULATION = SimulatedInstrument("calcore_fgs")
