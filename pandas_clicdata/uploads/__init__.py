"""A chunked append whose outcome is known."""
