"""The import of network files judged by files with one thing changed."""
