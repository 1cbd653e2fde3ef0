"""The project's circuits in the gates of real cell libraries."""
