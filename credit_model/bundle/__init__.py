"""The model bundle as a folder of plain files and as an archive."""
