"""The program that stays: schedule, signals, watchdog, health and metrics over HTTP."""
