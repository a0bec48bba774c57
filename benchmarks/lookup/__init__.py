"""What a request by id costs in addition to the look-up itself."""
