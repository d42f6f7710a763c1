"""NIRSpec's optics: from detectors through the spectrograph to the sky."""
