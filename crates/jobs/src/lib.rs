//! What unattended work is: sources, sinks, plans, checkpoints, schedules and the run store.
