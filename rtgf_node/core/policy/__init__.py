"""The policy engine: clauses to predicates, predicates to a plan, a plan to a decision."""
