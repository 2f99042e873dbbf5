"""The ear that asks: reads the sources' own lists of alerts at intervals and repairs what the record missed."""
