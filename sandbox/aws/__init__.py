"""AWS on loopback: moto's server, with real implementations of the services that moto only imitates."""
