"""Searches and sweeps: what needs both trained models and the compiler's prices."""
