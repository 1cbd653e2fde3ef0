"""Fermat blocks and the convolution engine in numbers."""
