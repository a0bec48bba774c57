"""Tests, mirroring the tree; a package by name, as some dependency installs one of the same name."""
