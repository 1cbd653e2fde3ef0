"""Formats of other tools: what comes in, how it is understood, how the result is held against its source."""
