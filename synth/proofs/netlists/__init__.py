"""Proofs that the netlist of a small block is the block: RTL against the cells that yosys chose, by
induction."""
