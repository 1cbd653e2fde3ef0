"""The zoo's tables and trainings."""
