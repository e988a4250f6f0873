"""params.yaml: its sections with their ranges, the sentence for a value out of range, the schema for editors."""
