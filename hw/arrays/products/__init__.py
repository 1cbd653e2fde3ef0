"""Products of a beat and their sums, for all outputs of an array: multipliers one by one, several products a
multiplier, or counters of tables."""
