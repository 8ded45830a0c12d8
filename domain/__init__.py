"""What can happen: events, commands, and the rules between them. No input, output or chance."""
