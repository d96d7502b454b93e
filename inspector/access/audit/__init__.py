"""The audit log: one record for every act that changes something, each bound to the one before it and signed."""
