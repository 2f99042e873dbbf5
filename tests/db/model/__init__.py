"""The pure parts of the record: tables and properties."""
