"""Boxes: overlaps, priors, coding against priors, matching, and what is left of overlapping detections."""
