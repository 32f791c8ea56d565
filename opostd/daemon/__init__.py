"""The running server: settings -> store, intake, doors; sockets, TLS, signals, logs, systemd, and the demo."""
