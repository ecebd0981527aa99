"""Who may do what: the policies of roles and how they are evaluated."""
