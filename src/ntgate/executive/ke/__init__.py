"""The kernel proper: time, the ready queues, the choice of the next thread."""
