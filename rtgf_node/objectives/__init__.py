"""What the node is to keep, as files for Prometheus, Alertmanager and Grafana."""
