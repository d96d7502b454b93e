"""Who may do what: principals, roles, sign-in, and the audit record of every change."""
