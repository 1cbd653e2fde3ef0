"""Figures of networks: complexity, paths, selectivity, drawings."""
