"""NASB (chapter 4): the network, its space of cells, the search."""
