"""Matrices that never change: sums of shifted inputs that many outputs share, the rest in heaps of bits."""
