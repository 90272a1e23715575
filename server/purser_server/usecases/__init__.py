"""What happens, in words of the domain: one module per verb or small family of verbs."""
