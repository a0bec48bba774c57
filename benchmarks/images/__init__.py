"""What each image holds: its build context, and its installed dependencies in MB against a bar."""
