"""What is checked where a model comes in: its arguments and images, what a trace cannot see, and the two
comparisons behind it."""
