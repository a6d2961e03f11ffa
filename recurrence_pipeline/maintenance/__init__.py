"""Is the data right: what the daily and the weekly run clear up, check and repair."""
