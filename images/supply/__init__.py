"""What the lock and the images hold, and which of its known vulnerabilities may ship."""
