"""Points, grades, cutoffs and decisions derived from PDs."""
