"""Reads histories into the index: the walk, a page, what is asked for by id (promise 3)."""
