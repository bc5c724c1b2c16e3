"""What callers are promised: errors, the checks of fields, JSON in messages, pages."""
