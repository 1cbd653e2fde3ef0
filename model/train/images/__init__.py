"""Image folders of any size and number: indexed, decoded by worker processes while training runs, never all
in memory."""
