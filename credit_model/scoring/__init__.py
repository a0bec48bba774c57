"""PDs, points, grades and decisions for rows, tables and files."""
