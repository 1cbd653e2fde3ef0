"""Forms of the zoo's networks that the compiler takes."""
