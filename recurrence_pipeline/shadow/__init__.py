"""A look over the shoulder of the previous worker: what it made, against what this one would have made."""
