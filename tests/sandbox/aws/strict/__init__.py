"""Tests of what stands in front of moto."""
