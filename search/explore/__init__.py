"""Exploring a network on a device: which speeds cost what, before anything is synthesised."""
