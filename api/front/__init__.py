"""What stands behind the names of ``import fermatnet``: thin functions over the packages below."""
