"""Storefronts: families of URLs, each with its own manners."""
