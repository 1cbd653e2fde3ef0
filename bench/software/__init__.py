"""The software convolution in numbers."""
