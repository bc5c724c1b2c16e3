"""Attacks on the wire: what a hostile or broken peer can send, and what it must not be able to do to others."""
