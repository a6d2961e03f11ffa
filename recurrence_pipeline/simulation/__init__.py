"""Virtual time: the real planner, people and bad luck, for ten years or in a million short histories."""
