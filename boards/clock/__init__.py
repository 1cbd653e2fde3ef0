"""The clock of a design from a board's oscillator: settings of the family's PLL, and the PLL itself."""
