"""What happens between devices and server: who takes part, what crosses, how it is bounded and added up."""
