"""What surrounds a simulated node, as pure models: nothing here schedules, waits or draws by itself."""
