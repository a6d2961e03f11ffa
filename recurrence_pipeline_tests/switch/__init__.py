"""switch/: from the previous worker to this one, and back."""
