"""What an answer of the online server costs, against other servers with the same model on the same machine."""
