"""How long the flows take to import, beside what they cannot do without."""
