"""From a network to the folder of files that compute it."""
