"""Demonstrations and documents: structures, teachers that write along them, the format filter, the base's corpus."""
