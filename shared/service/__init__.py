"""The life of a service: settings, start, serving, stop, and its command line."""
