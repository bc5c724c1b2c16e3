"""What can be ill about the processes of the services, and about the gateway before them."""
