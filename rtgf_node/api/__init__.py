"""The counter: HTTP in, questions to the actors, HTTP out. No rules of its own."""
