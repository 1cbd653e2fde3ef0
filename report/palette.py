"""Colours of the report's page, charts and drawings."""

INK, SOFT, MUTED, GRID = "#1f2933", "#52606d", "#7b8794", "#e4e7eb"  # text, lesser text, axes, lines
BLUE, ORANGE, GREEN, PURPLE, GREY = "#2f6fb2", "#d9822b", "#3f8f5b", "#7d5ba6", "#9aa5b1"
GOOD, BAD = "#27784a", "#b42318"

ENGINES = {"fermat": ORANGE, "and-popcount": BLUE, "int": PURPLE, "": GREY}
"""Colour of a layer by how its engine's name begins; "" for what only streams."""
