"""What people who ask by phone are told: each question's answer, made in a process of its own from what is on disk."""
