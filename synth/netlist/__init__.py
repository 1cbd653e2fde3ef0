"""Netlists that can be simulated: what yosys made of a design, with small models of the vendors' cells."""
