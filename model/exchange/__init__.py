"""The door for files: what they are, what every argument may be, and the source's own executor as the judge
of an import."""
