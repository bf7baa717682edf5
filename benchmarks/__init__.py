"""Measurements against peers. They print figures and never assert one."""
