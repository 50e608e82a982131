"""What belongs to no manager: the system, atoms, locale, power, debugging, hard errors."""
