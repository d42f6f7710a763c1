"""From inputs and a pipeline to products."""
