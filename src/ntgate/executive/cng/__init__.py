"""The keys of CNG: what encrypts, signs and verifies below bcrypt's functions."""
