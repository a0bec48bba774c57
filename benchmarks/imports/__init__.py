"""How long the flows take to import, compared with their unavoidable dependencies."""
