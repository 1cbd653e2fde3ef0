"""Quantization-aware layers: quantizers as pure functions with thin modules, schemes, conversion of whole
networks, torch's integer mode."""
