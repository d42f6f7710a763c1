"""Which exposures make a product."""
