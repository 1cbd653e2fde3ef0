"""Rival methods."""
