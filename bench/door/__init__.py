"""Random torch models at the door: every operator of the table with arguments drawn from its own signature,
parametrizations, ties, hooks, types and wrappers; each has to be refused by name or to compute what its
owner meant.
"""
