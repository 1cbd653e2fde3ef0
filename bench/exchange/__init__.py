"""Files of other tools, small and made on the spot, and their mutants."""
