"""What stands in front of moto: each request is checked as AWS checks it, and each failure has AWS's form."""
