"""Accuracy and cost of training."""
