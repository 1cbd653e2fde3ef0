"""Training: data, augmentation, the loop, checkpoints and run folders."""
