"""What a request by id costs on top of the look-up itself."""
