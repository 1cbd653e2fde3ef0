"""Multiply-accumulate arrays: integer, depthwise, piecewise, and with weights from a stream."""
