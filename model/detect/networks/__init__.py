"""Detectors: backbones cut into stages, heads, and the form that training takes them in."""
