"""The steps of the schema, one numbered file each; see `db/migrate.py` for the rules they follow."""
