"""The only ways to change the record: one public function is one transaction."""
