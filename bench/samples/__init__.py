"""Random networks and models, and what drives them: shared by tests and benches."""
