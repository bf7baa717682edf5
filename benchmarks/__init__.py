"""Measurements against peers, one figure a module. They print figures and never assert one."""
