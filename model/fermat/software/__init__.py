"""Exact convolution in software by number theoretic transforms."""
