"""Object detection: the detectors of chapters 3 and 7, their data, training, evaluation and export."""
