"""The `fermatnet` command: thin, every subcommand calls one function of the packages below it."""
