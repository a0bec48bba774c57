"""Checks of a stage before and after a deployment: each finding says what is wrong and what to do."""
