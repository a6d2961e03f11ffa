"""What applications in other languages are given: clients/."""
