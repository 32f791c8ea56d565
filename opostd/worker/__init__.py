"""The worker room: the delivery agent, which is the only part of opostd that connects outward."""
