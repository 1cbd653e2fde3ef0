"""The demonstration and its report: train, export, generate, simulate, synthesise, and one page that shows
it."""
