"""Raw files and tables of applicants, read and checked against the contract."""
