"""Tells people: messages, and the pings of a dead-man switch."""
