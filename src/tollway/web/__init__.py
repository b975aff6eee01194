"""The site: pages made on the server, small scripts that make them quicker, and nothing from elsewhere."""
