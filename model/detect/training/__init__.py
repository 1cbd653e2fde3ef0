"""Training of detectors: settings, the run, what is measured on the test part."""
