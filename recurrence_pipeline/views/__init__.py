"""What a terminal shows: tables and JSON of results. Nothing is decided or read here."""
