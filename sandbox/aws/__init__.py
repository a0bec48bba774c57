"""AWS on loopback: moto's server for what it does well, extended in place for what it only pretends."""
