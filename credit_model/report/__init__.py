"""The bundle's HTML report and model card."""
