"""What the host does with a detector's integer maps: scores, boxes and suppression in fixed point, in Python
and in generated C, with the same boxes."""
