"""The internal HTTP API: the worker as the application knows it. The work itself is behind worker/service.py."""
