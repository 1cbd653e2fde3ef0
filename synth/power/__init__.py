"""Power of a netlist of library cells: activities from simulation, OpenSTA where it is there."""
