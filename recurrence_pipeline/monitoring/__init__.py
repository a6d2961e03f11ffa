"""How is it going: health, figures over time, reports, metrics for Prometheus, alerts."""
