"""The operator's doctor: looks at every store, service and gateway, and says what is ill, why that matters, and what to
do. It changes nothing."""
