"""Kills, damage, crowds: nothing lost, nothing false, no traceback (`python -m tests.faults`)."""
