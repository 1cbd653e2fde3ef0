"""Proofs about generated blocks by SMT solvers, and refutations of mutated ones."""
