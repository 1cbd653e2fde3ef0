"""Networks on processors: generated C and the packed engine, beside their rivals."""
