"""Pure readers, one module per alert source: the JSON of a request in, a `Reading` out."""
