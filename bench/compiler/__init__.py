"""The compiler in numbers."""
