"""The worker room: the delivery agent, which carries mail to other servers."""
