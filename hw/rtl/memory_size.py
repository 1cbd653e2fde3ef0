"""When synthesis keeps a memory in a block, when in tables."""

__all__ = ["is_block"]

BLOCK_BITS = 1024


def is_block(width: int, words: int) -> bool:
    """Whether block memory takes a memory of ``words`` words: from about 1,000 bits."""
    return width * words >= BLOCK_BITS
