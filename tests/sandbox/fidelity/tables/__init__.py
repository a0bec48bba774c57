"""What Athena answers about tables: DDL, file formats, partitions, views, CREATE TABLE AS and prepared statements."""
