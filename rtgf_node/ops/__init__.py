"""What runs beside the answers: the evidence of what was decided."""
