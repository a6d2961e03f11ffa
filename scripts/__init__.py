"""What those who work on the project run. None of it is part of the package, and the package needs none of it."""
