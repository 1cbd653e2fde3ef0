"""Popcount by trees of counters: the counters, the search for a tree, the tree."""
