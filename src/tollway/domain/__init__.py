"""The nouns: frozen msgspec Structs that every floor above may use."""
