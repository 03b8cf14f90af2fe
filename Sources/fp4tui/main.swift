print("fp4tui")
