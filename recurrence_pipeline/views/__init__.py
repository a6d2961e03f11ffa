"""What a terminal shows, tables and JSON of results, and calendar files. Nothing is decided or read here."""
