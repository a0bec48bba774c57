"""The build context of each image, and the size of its installed dependencies in MB compared with a limit."""
