"""Networks as users write them, plain torch: converted, trained a little, exported, compared."""
