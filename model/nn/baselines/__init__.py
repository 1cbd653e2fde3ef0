"""The methods piecewise approximation is compared with, behind the same interface.

Each quantizer: forward formula, gradient, source. sign(0) = +1 throughout. Where a paper leaves the last
detail to its code, the choice is said here. Weight scales are one a tensor or one an output channel, as each
paper has it.
"""
