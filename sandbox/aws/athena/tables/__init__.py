"""What a query can read: Glue's tables in their file formats, views, projected partitions, and tables about tables."""
