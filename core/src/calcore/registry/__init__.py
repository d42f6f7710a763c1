"""What is installed: named things by stevedore, hooks by pluggy."""
