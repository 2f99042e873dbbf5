"""Alert sources: what recorded, invented and hostile bodies say."""
